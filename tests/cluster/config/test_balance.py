"""Who waits for whom, in numbers and in words."""

from __future__ import annotations

import numpy as np
import pytest

from actors.config import SamplerConfig
from cluster.config.balance import Balance
from learners.algorithms.ddpo import DDPOConfig, PpoClip
from learners.config import LearnerConfig
from learners.settings import TrainingSpec


def test_the_side_with_fewer_passes_a_process_waits() -> None:
    balance = Balance(draw=100, train=125, actors=2, workers=1)
    assert balance.busy == pytest.approx(0.4)
    assert balance.in_words(24, synchronous=False) == (
        "A picture takes 100 network passes to draw and 125 to train: with 2 rollout actors and 1 learner worker, "
        "rollouts will be busy 40% of the time, waiting for the learner; 1 rollout actor and 2 learner workers would "
        "be 1.25 times as fast."
    )


def test_the_learner_waits_where_drawing_takes_longer() -> None:
    said = Balance(draw=100, train=50, actors=1, workers=1).in_words(8, synchronous=False)
    assert said.endswith("the learner will be busy 50% of the time, waiting for the rollouts.")


def test_balanced_sides_are_called_so() -> None:
    said = Balance(draw=100, train=200, actors=1, workers=2).in_words(24, synchronous=False)
    assert said.endswith("to train: 1 rollout actor and 2 learner workers are balanced.")


def test_workers_that_cannot_share_the_groups_are_not_proposed() -> None:
    balance = Balance(draw=10, train=100, actors=4, workers=1)
    assert balance.better(groups=9).workers == 3
    assert balance.better(groups=8).workers == 4


def test_without_lag_both_sides_wait() -> None:
    assert "each side waits for the other" in Balance(1, 1, 1, 1).in_words(8, synchronous=True)


@pytest.mark.parametrize(
    ("algorithm", "passes"),
    [
        (DDPOConfig(timestep_fraction=0.5), 2 * 4 + 2),  # half of the pairs have a proximal pass
        (DDPOConfig(timestep_fraction=0.5, kl=0.1), 2 * 4 + 2 + 4),
        (DDPOConfig(timestep_fraction=0.5, clip=PpoClip(kind="behaviour")), 2 * 4),
    ],
)
def test_passes_of_ddpo_are_those_of_its_update(algorithm: DDPOConfig, passes: float) -> None:
    config = LearnerConfig(minibatches=2, algorithm=algorithm)
    assert algorithm.passes(TrainingSpec(config, SamplerConfig(steps=8), 4, 4), np.ones(8, bool)) == passes
