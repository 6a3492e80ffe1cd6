"""The learner's settings that are more than a number: the schedule of the learning rate."""

import pytest
import torch
from diffusers.optimization import get_scheduler

from learners.settings import LearnerSettings

LR, UPDATES = 3e-4, 20


@pytest.mark.parametrize("warmup", [0, 1, 5])
@pytest.mark.parametrize("kind", ["constant", "linear", "cosine"])
def test_a_schedule_is_that_of_diffusers_without_its_step_of_rate_zero(kind, warmup):
    settings = LearnerSettings(lr=LR, lr_schedule=kind, warmup=warmup)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], LR)
    name = "constant_with_warmup" if kind == "constant" else kind
    theirs = get_scheduler(name, optimizer, num_warmup_steps=warmup + 1, num_training_steps=UPDATES + 1).lr_lambdas[0]
    ours = [settings.rate(update, UPDATES) for update in range(UPDATES)]
    assert ours == pytest.approx([LR * theirs(update + 1) for update in range(UPDATES)], rel=1e-12)
    assert min(ours) > 0
    assert max(ours) == ours[warmup] == LR


def test_a_constant_and_a_linear_rate_without_warm_up_are_what_they_were_bit_for_bit():
    linear = LearnerSettings(lr=LR, lr_schedule="linear")
    assert [linear.rate(update, 7) for update in range(9)] == [LR * max(0.0, 1 - u / 7) for u in range(9)]
    assert {LearnerSettings(lr=LR).rate(update, 7) for update in range(9)} == {LR}
