# pyright: strict
"""Rich credit and the normalised ratio: closed forms, plain DDPO as their limit, and exact resume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from plain_loop import SAMPLER, ddpo, load_policy, roll
from pydantic import ValidationError

from actors.trajectory import JudgedGroup
from learners.algorithms.credit import Credit
from learners.algorithms.ddpo import DDPOConfig, DDPOLearner
from learners.algorithms.likelihood import Rollouts
from learners.config import LearnerConfig
from learners.maths.objectives import normalised_log_ratio
from learners.settings import TrainingSpec
from rewards.arrays import Float32Array
from rewards.config import RewardsConfig
from rewards.models.rahf import HEATMAPS
from rewards.sub_scores import declared_heatmaps

GROUPS, SAMPLES, GRID = 2, 4, (8, 8)
Heat = Callable[[int], Float32Array]


def credit(even: float = 0.0) -> dict[str, Any]:
    return {"judge": "rich", "heatmap": "implausibility", "even": even}


def make(folder: Path, *, epochs: int = 2, lr: float = 1e-2, **algorithm: Any) -> DDPOLearner:
    config = LearnerConfig(lr=lr, inner_epochs=epochs, minibatches=2, algorithm=DDPOConfig.model_validate(algorithm))
    return ddpo(load_policy(folder), config, GROUPS, SAMPLES)


def rolled(learner: DDPOLearner, heat: Heat | None = None) -> list[JudgedGroup]:
    indices = range(learner.version * GROUPS, (learner.version + 1) * GROUPS)
    groups = roll(learner.policy, learner.version, indices, SAMPLES, recording=learner.recording)
    return groups if heat is None else [replace(g, heat=heat(g.trajectories.ticket.index)) for g in groups]


def constant(_index: int) -> Float32Array:
    return np.full((SAMPLES, *GRID), 0.3, np.float32)


def random(index: int) -> Float32Array:
    return np.random.default_rng(index).random((SAMPLES, *GRID), np.float32)


def test_weights_have_mean_one_and_follow_the_heat():
    heat = np.zeros((3, 2, 2), np.float32)
    heat[0] = [[0, 1], [0, 3]]
    heat[1] = 0.7
    sharp, soft, plain = (Credit(judge="a", heatmap="b", even=even).weights(heat) for even in (0.0, 0.5, 1.0))
    assert sharp[0].tolist() == [[0, 1], [0, 3]]
    assert soft[0].tolist() == [[0.5, 1], [0.5, 2]]
    for weights in (sharp, soft, plain):
        assert weights.mean(axis=(1, 2)) == pytest.approx(np.ones(3))
        assert (weights[1:] == 1).all(), "the same heat everywhere, or none, says nothing about where"
    assert (plain == 1).all()


@pytest.mark.parametrize(("heat", "even"), [(constant, 0.0), (random, 1.0)])
def test_where_every_weight_is_one_it_is_plain_ddpo_bit_for_bit(tiny_policy_dir: Path, heat: Heat, even: float):
    plain, weighted = make(tiny_policy_dir, kl=0.1), make(tiny_policy_dir, kl=0.1, credit=credit(even))
    for _ in range(2):
        theirs, ours = plain.update(rolled(plain)), weighted.update(rolled(weighted, heat))
        assert (ours.pop("credit/even"), ours.pop("credit/peak")) == (1, 1)
        assert ours == theirs
        assert weighted.adapter().checksum() == plain.adapter().checksum()


def test_the_weighted_log_prob_is_torchs_normal_under_the_weights_and_passes_gradient_only_there(
    tiny_policy_dir: Path,
):
    learner = make(tiny_policy_dir, credit=credit())
    groups = rolled(learner)
    weights = np.zeros((GROUPS * SAMPLES, *GRID), np.float32)
    weights[:, :, :4] = 2
    rollouts = Rollouts.of(groups, np.zeros((GROUPS, SAMPLES), np.float32), 0, weights)
    pairs = rollouts.pairs(np.array([0, 3, 5]), np.array([0, 2, 3]))
    _, output = learner.likelihood.score(rollouts, pairs, learner.engine)
    output = output.detach().requires_grad_()
    log_prob = learner.likelihood.credited(rollouts, pairs, output)
    mean, std = learner.likelihood.mean(rollouts, pairs, output), learner.likelihood.transition.std[pairs.step]
    density = cast(Any, torch.distributions.Normal)(mean, std.view(-1, 1, 1, 1)).log_prob(rollouts.after(pairs))
    torch.testing.assert_close(log_prob, 2 * density[..., :4].sum((1, 2, 3)) / density[0].numel())
    (gradient,) = torch.autograd.grad(log_prob.sum(), output)
    assert (gradient[..., 4:] == 0).all()
    assert (gradient[..., :4] != 0).any()


def test_heat_changes_what_is_learnt_and_its_share_is_told(tiny_policy_dir: Path):
    plain, weighted = make(tiny_policy_dir), make(tiny_policy_dir, credit=credit())
    plain.update(rolled(plain))
    stats = weighted.update(rolled(weighted, lambda i: random(i) if i else constant(i)))
    assert stats["credit/even"] == 0.5
    assert stats["credit/peak"] > 1
    assert weighted.adapter().checksum() != plain.adapter().checksum()


def test_the_normalised_ratio_is_the_papers_and_is_around_one_with_a_width_without_noise():
    draw = torch.Generator().manual_seed(0)
    prox, drift = torch.zeros(4000, 1, 4, 4), torch.full((4000, 1, 4, 4), 0.02)
    widths: list[float] = []
    for std in (0.05, 0.5):
        x_prev, sigma = prox + std * torch.randn(prox.shape, generator=draw), torch.full((4000,), std)
        ours = normalised_log_ratio(x_prev, prox + drift, prox, sigma)
        normal = cast(Any, torch.distributions.Normal)
        plain = (normal(prox + drift, std).log_prob(x_prev) - normal(prox, std).log_prob(x_prev)).flatten(1).mean(1)
        theirs = std * (plain + (drift**2).flatten(1).mean(1) / (2 * std**2))
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
        assert abs(float(ours.mean())) < 3 * 0.02 / 4 / 4000**0.5
        widths.append(float(ours.std()))
    assert widths == pytest.approx([0.02 / 4] * 2, rel=0.05)


def test_the_first_gradient_of_the_normalised_ratio_is_the_plain_one_times_the_noise():
    x_prev, prox, std = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4), torch.tensor([0.1, 0.5, 1.0])
    mean = prox.clone().requires_grad_()
    normalised = normalised_log_ratio(x_prev, mean, prox, std)
    assert (normalised == 0).all()
    (ours,) = torch.autograd.grad(normalised.sum(), mean)
    plain = cast(Any, torch.distributions.Normal)(mean, std.view(-1, 1, 1, 1)).log_prob(x_prev).flatten(1).mean(1)
    (theirs,) = torch.autograd.grad((std * plain).sum(), mean)
    torch.testing.assert_close(ours, theirs)


def test_a_learner_of_normalised_ratios_passes_the_start_up_check_and_trains(tiny_policy_dir: Path):
    learner = make(tiny_policy_dir, clip={"ratio_norm": True})
    stats = learner.update(rolled(learner))
    assert stats["startup_ratio_off"] <= 1e-5
    assert stats["grad_norm"] > 0


@pytest.mark.parametrize(
    "algorithm", [{"credit": credit(0.25)}, {"clip": {"ratio_norm": True}, "credit": credit()}], ids=["credit", "both"]
)
def test_a_restored_learner_continues_bit_for_bit(tiny_policy_dir: Path, tmp_path: Path, algorithm: dict[str, Any]):
    straight, resumed = make(tiny_policy_dir, **algorithm), make(tiny_policy_dir, **algorithm)
    straight.update(rolled(straight, random))
    straight.save(tmp_path / "checkpoint")
    resumed.restore(tmp_path / "checkpoint")
    ours, theirs = resumed.update(rolled(resumed, random)), straight.update(rolled(straight, random))
    ours.pop("startup_ratio_off", None)
    assert ours == theirs
    assert resumed.adapter().checksum() == straight.adapter().checksum()


def test_the_rich_judge_declares_what_its_model_draws():
    assert declared_heatmaps("rich_feedback") == HEATMAPS
    assert declared_heatmaps("own.module:Judge") == ()


def test_what_cannot_be_weighted_is_refused(tiny_policy_dir: Path):
    for wrong in (
        {"credit": credit(), "clip": {"kind": "behaviour"}},
        {"clip": {"kind": "behaviour", "ratio_norm": True}},
    ):
        with pytest.raises(ValidationError, match="proximal"):
            DDPOConfig.model_validate(wrong)
    learner = make(tiny_policy_dir, credit=credit())
    with pytest.raises(ValueError, match="came without the heat"):
        learner.update(rolled(learner))
    (group, *_) = rolled(learner)
    with pytest.raises(ValueError, match="is not that of its latents"):
        replace(group, heat=np.ones((SAMPLES, 3, 3), np.float32))


@pytest.mark.parametrize(
    ("judge", "heatmap", "said"),
    [
        ("rihc", "implausibility", r"credit\.judge: there is no judge 'rihc'; rewards\.judges has size, rich"),
        ("size", "implausibility", r"credit\.heatmap: a judge of kind jpeg gives no heatmap .*; it has none"),
        ("rich", "artifacts", r"credit\.heatmap: .* it has implausibility, misalignment"),
    ],
)
def test_a_heatmap_that_no_judge_gives_is_refused_before_the_start(judge: str, heatmap: str, said: str):
    jury = {
        "size": {"kind": "jpeg"},
        "rich": {"kind": "rich_feedback", "model": "menagerie/models/rich", "role": "audit"},
    }
    rewards = RewardsConfig.model_validate({"judges": jury})
    spec = TrainingSpec(LearnerConfig(), SAMPLER, GROUPS, SAMPLES, rewards=rewards)
    (problem,) = DDPOConfig.model_validate({"credit": credit() | {"judge": judge, "heatmap": heatmap}}).problems(spec)
    assert problem.startswith("learner.algorithm.credit.")
    with pytest.raises(ValueError, match=said):
        raise ValueError(problem)
    good = DDPOConfig.model_validate({"credit": credit()})
    assert [*good.problems(spec)] == []
    assert good.heatmap == ("rich", "implausibility")
