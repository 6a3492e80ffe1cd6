"""DPO, SFT and RWR on a tiny policy: which pictures are trained, how much they count, and where that leads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_loop import SAMPLER, load_policy, roll
from pydantic import ValidationError

from learners.config import LearnerConfig
from learners.settings import TrainingSpec

GROUPS, SAMPLES = 2, 4
REWARDS = np.array([2.0, 0.0, 3.0, 1.0], np.float32)


def make(folder: Path, more: dict[str, Any] | None = None, **algorithm: Any) -> Any:
    config = LearnerConfig.model_validate({"lr": 1e-2, **(more or {}), "algorithm": algorithm})
    return config.algorithm.learner(load_policy(folder), TrainingSpec(config, SAMPLER, GROUPS, SAMPLES))


def rolled(learner: Any, *rewards: np.ndarray) -> Any:
    """A group for each of `rewards`."""
    return [
        roll(learner.policy, 0, [i], SAMPLES, reward=lambda _, its=its: its, recording=learner.recording)[0]
        for i, its in enumerate(rewards)
    ]


@pytest.mark.parametrize("algorithm", [{"kind": "dpo"}, {"kind": "sft"}, {"kind": "rwr", "beta": 0.2}])
def test_the_best_picture_is_predicted_better_than_the_worst(
    tiny_policy_dir: Path, sample_errors: Any, algorithm: dict[str, Any]
) -> None:
    learner = make(tiny_policy_dir, **algorithm)
    groups = rolled(learner, REWARDS, REWARDS)
    before = sample_errors(learner, groups)
    for _ in range(3):
        learner.update(groups)
    gain = before - sample_errors(learner, groups)
    assert gain[2] > gain[1]


def test_a_pair_is_the_best_and_the_worst_at_one_level_with_one_noise(tiny_policy_dir: Path) -> None:
    from learners.maths.schedule import MicroBatch

    learner = make(tiny_policy_dir, kind="dpo")
    groups = rolled(learner, REWARDS, REWARDS[::-1].copy())
    examples = learner.examples(groups, {})
    clean = [group.trajectories.latents[:, -1] for group in groups]
    assert np.array_equal(examples.latents[0].numpy(), clean[0][[2, 1]])
    assert np.array_equal(examples.latents[1].numpy(), clean[1][[1, 2]])
    levels = np.full((2, 4), 500)
    noised = learner.denoiser.noised(examples, MicroBatch(np.array([0, 1]), np.array([0, 3])), levels, 0, 0)
    better, worse = noised.x.chunk(2)
    better_clean, worse_clean = noised.clean.chunk(2)
    signal = float(learner.denoiser.process.signal[500])
    assert np.allclose(better - signal * better_clean, worse - signal * worse_clean, atol=1e-5)
    assert noised.prompts == [groups[0].trajectories.ticket.prompt, groups[1].trajectories.ticket.prompt] * 2


def test_the_first_step_of_dpo_gives_nothing_to_choose_and_the_next_orders_what_it_saw(tiny_policy_dir: Path) -> None:
    learner = make(tiny_policy_dir, kind="dpo")
    groups = rolled(learner, REWARDS, REWARDS)
    first = learner.update(groups)
    assert first["loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert (first["dpo/accuracy"], first["dpo/margin"]) == (0.5, 0)
    assert learner.update(groups)["dpo/margin"] != 0


def test_a_group_of_equal_rewards_gives_no_pair_and_changes_nothing(tiny_policy_dir: Path) -> None:
    equal = np.ones(SAMPLES, np.float32)

    def moved(*rewards: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
        learner = make(tiny_policy_dir, {"epsilon": 1.0, "lr": 1.0}, kind="dpo")
        before = learner.adapter().values
        return learner.update(rolled(learner, *rewards)), learner.adapter().values - before

    half, some = moved(REWARDS, equal)
    both, more = moved(REWARDS, REWARDS)
    none, nothing = moved(equal, equal)
    assert (half["trained_share"], both["trained_share"], none["trained_share"]) == (0.5, 1, 0)
    assert np.abs(some).max() > 0
    assert not np.array_equal(some, more)
    assert not nothing.any()
    assert (none["optimizer_steps"], none["grad_norm"], none["reward/mean"]) == (0, 0, 1)
    assert "loss" not in none


def test_a_run_goes_on_after_an_update_without_a_pair(tiny_policy_dir: Path, tmp_path: Path) -> None:
    equal = np.ones(SAMPLES, np.float32)
    learner = make(tiny_policy_dir, {"micro_batch": 2, "minibatches": 2}, kind="dpo")
    learner.update(rolled(learner, equal, equal))
    assert learner.version == 1
    stats = learner.update(rolled(learner, REWARDS, equal))
    assert stats["optimizer_steps"] == 2
    assert stats["grad_norm"] > 0
    learner.save(tmp_path / "checkpoint")
    again = make(tiny_policy_dir, {"micro_batch": 2, "minibatches": 2}, kind="dpo")
    again.restore(tmp_path / "checkpoint")
    assert again.adapter().checksum() == learner.adapter().checksum()


def test_sft_keeps_the_best_of_each_group_above_the_threshold(tiny_policy_dir: Path) -> None:
    learner = make(tiny_policy_dir, kind="sft", keep=2, threshold=2.0)
    stats: dict[str, float] = {}
    groups = rolled(learner, REWARDS, REWARDS + 1)
    examples = learner.examples(groups, stats)
    # Of the first group the second best is not above 2.
    assert examples.weights.tolist() == [1, 0, 1, 1]
    best = [groups[0].trajectories.latents[2, -1], groups[1].trajectories.latents[2, -1]]
    assert np.array_equal(examples.latents[[0, 2], 0].numpy(), np.stack(best))
    assert stats["sft/reward"] == pytest.approx((3 + 4 + 3) / 3)
    assert learner.update(groups)["trained_share"] == 0.75


def test_sft_without_a_picture_above_the_threshold_takes_no_step(tiny_policy_dir: Path) -> None:
    learner = make(tiny_policy_dir, kind="sft", threshold=10.0)
    before = learner.adapter().checksum()
    stats = learner.update(rolled(learner, REWARDS, REWARDS))
    assert (stats["optimizer_steps"], learner.adapter().checksum()) == (0, before)
    assert "sft/reward" not in stats


def test_rwr_weighs_by_the_exponential_of_the_advantage(tiny_policy_dir: Path) -> None:
    learner = make(tiny_policy_dir, kind="rwr", beta=0.5)
    stats: dict[str, float] = {}
    weights = learner.examples(rolled(learner, REWARDS, REWARDS), stats).weights.view(GROUPS, SAMPLES)
    expected = np.exp((REWARDS - 1.5) / (5**0.5 / 2) / 0.5)
    assert weights[0].numpy() == pytest.approx(expected / expected.mean(), rel=1e-3)
    assert stats["weight/max"] == pytest.approx(float((expected / expected.mean()).max()), rel=1e-3)
    assert stats["weight/ess"] == pytest.approx(expected.sum() ** 2 / (4 * (expected**2).sum()), rel=1e-3)


@pytest.mark.parametrize(
    ("algorithm", "samples", "message"),
    [
        ({"kind": "dpo"}, 1, "samples_per_prompt: with 1 sample a group has no better and worse picture"),
        ({"kind": "sft", "keep": 4}, 4, "learner.algorithm.keep: 4 keeps every picture of a group"),
        ({"kind": "rwr"}, 1, "samples_per_prompt: with 1 sample a group has nothing to compare it with"),
    ],
)
def test_a_run_that_cannot_learn_is_refused(algorithm: dict[str, Any], samples: int, message: str) -> None:
    config = LearnerConfig.model_validate({"algorithm": algorithm})
    (problem,) = config.algorithm.problems(TrainingSpec(config, SAMPLER, GROUPS, samples))
    assert problem.startswith(message)


def test_more_than_a_group_has_cannot_be_kept() -> None:
    config = LearnerConfig.model_validate({"algorithm": {"kind": "sft", "keep": 5}})
    with pytest.raises(ValueError, match=r"^learner\.algorithm\.keep: 5 is more than the 4 pictures of a group"):
        config.algorithm.arithmetic(TrainingSpec(config, SAMPLER, GROUPS, SAMPLES), np.ones(4, bool))


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"kind": "dpo", "beta": 0}, {"kind": "sft", "keep": 0}, {"kind": "rwr", "beta": -1}):
        with pytest.raises(ValidationError):
            LearnerConfig.model_validate({"algorithm": wrong})


def test_a_micro_batch_of_pairs_counts_both_pictures() -> None:
    config = LearnerConfig.model_validate({"micro_batch": 4, "algorithm": {"kind": "dpo", "timesteps_per_picture": 8}})
    arithmetic = config.algorithm.arithmetic(TrainingSpec(config, SAMPLER, GROUPS, SAMPLES), np.ones(4, bool))
    assert (arithmetic.pairs, arithmetic.accumulation) == (16, 8)
    assert {len(m) for step in arithmetic.plan([0, 1], 0, 0) for m in step} == {2}
