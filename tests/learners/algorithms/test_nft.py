"""NFT on a tiny policy: which way it leads, what it computes, and the average that draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import SAMPLER, load_policy, roll
from pydantic import ValidationError

from learners.algorithms.nft import NFTConfig, OldPolicy
from learners.config import LearnerConfig
from learners.settings import TrainingSpec

GROUPS, SAMPLES = 2, 4


def make(folder: Path, more: dict[str, Any] | None = None, **algorithm: Any) -> Any:
    values = {"lr": 1e-2, **(more or {}), "algorithm": {"kind": "nft", **algorithm}}
    config = LearnerConfig.model_validate(values)
    return config.algorithm.learner(load_policy(folder), TrainingSpec(config, SAMPLER, GROUPS, SAMPLES))


def rolled(learner: Any) -> Any:
    """Groups whose rewards are 0 to 3, drawn by the base policy."""
    return roll(learner.policy, 0, range(GROUPS), SAMPLES, reward=rank, recording=learner.recording)


def rank(images: np.ndarray) -> np.ndarray:
    return np.arange(len(images), dtype=np.float32)


@pytest.mark.parametrize("weighting", ["adaptive", "none"])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "flow"])
def test_good_pictures_are_predicted_better_and_bad_ones_worse(
    tiny_policy_dir: Path, tiny_v_dir: Path, tiny_flow_dir: Path, sample_errors: Any, kind: str, weighting: str
) -> None:
    folder = {"epsilon": tiny_policy_dir, "v_prediction": tiny_v_dir, "flow": tiny_flow_dir}[kind]
    learner = make(folder, weighting=weighting)
    groups = rolled(learner)
    before = sample_errors(learner, groups)
    for _ in range(3):
        learner.update(groups)
    gain = before - sample_errors(learner, groups)
    assert gain[-1] > gain[0]


def test_the_first_step_is_that_of_weighted_denoising(tiny_policy_dir: Path) -> None:
    learner = make(tiny_policy_dir, {"lr": 1.0, "epsilon": 1.0, "weight_decay": 0.0}, beta=0.3, weighting="none")
    groups = rolled(learner)
    before = learner.adapter().values
    learner.update(groups)
    moved = learner.adapter().values - before
    # The same by hand: (2r - 1) ‖f_θ - f‖² with r = ½ + A / 10, at the levels and with the noise of the update.
    again = make(tiny_policy_dir, weighting="none")
    examples = again.examples(groups, {})
    (step,) = again.arithmetic.plan([0, 1], 0, 0)
    levels = again._levels([0, 1], 0)
    loss = torch.zeros(())
    for pairs in step:
        noised = again.denoiser.noised(examples, pairs, levels, 0, 0)
        error = (again.denoiser.predict(noised, again.policy.network) - noised.target).square().flatten(1).mean(1)
        loss = loss + ((2 * examples.merit[pairs.sample] - 1) * error).sum() / again.arithmetic.pairs
    grads = torch.autograd.grad(loss, [again.policy.named_trainable()[n] for n in learner.adapter().names])
    gradient = np.concatenate([g.flatten().numpy() for g in grads])
    assert np.corrcoef(moved, -gradient)[0, 1] > 0.9999


def test_the_optimality_of_a_picture_is_its_advantage_over_the_clip(tiny_policy_dir: Path) -> None:
    learner = make(tiny_policy_dir, advantage={"kind": "group", "clip": 2.0})
    groups = rolled(learner)
    merit = learner.examples(groups, {}).merit.view(GROUPS, SAMPLES)
    # Rewards 0 to 3 stand -3, -1, 1 and 3 times 1 / √5 deviations from their mean.
    expected = 0.5 + 0.25 * np.array([-3, -1, 1, 3]) / 5**0.5
    assert merit[0].numpy() == pytest.approx(expected, rel=1e-3)


def test_a_later_step_of_an_update_still_compares_with_the_policy_at_its_start(tiny_policy_dir: Path) -> None:
    learner, longer = make(tiny_policy_dir), make(tiny_policy_dir, {"inner_epochs": 2})
    one, two = learner.update(rolled(learner)), longer.update(rolled(longer))
    assert one["drift"] == 0
    assert two["drift"] > 0


def test_an_average_is_published_and_follows_the_policy_by_its_rate(tiny_policy_dir: Path) -> None:
    learner = make(tiny_policy_dir, old={"kind": "average", "rate": 0.25, "most": 0.4})
    expected, drifts = learner.adapter().values, []
    assert np.array_equal(expected, learner.engine.adapter(0).values)
    for kept in (0.25, 0.4):
        drifts.append(learner.update(rolled(learner))["drift"])
        present = learner.engine.adapter(learner.version).values
        expected = kept * expected + (1 - kept) * present
        assert learner.adapter().values == pytest.approx(expected, abs=1e-7)
        assert not np.array_equal(learner.adapter().values, present)
        assert learner.adapter().version == learner.version
    assert drifts[0] == 0
    assert drifts[1] > 0


def test_a_checkpoint_without_the_average_is_refused_where_one_is_needed(tiny_policy_dir: Path, tmp_path: Path) -> None:
    make(tiny_policy_dir).save(tmp_path / "checkpoint")
    other = make(tiny_policy_dir, old={"kind": "average"})
    with pytest.raises(ValueError, match=r"checkpoint: .*old\.kind: start; this run has average"):
        other.restore(tmp_path / "checkpoint")


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"beta": 0}, {"timesteps_per_picture": 0}, {"guidance": 0.5}, {"old": {"rate": 0.1}}):
        with pytest.raises(ValidationError):
            NFTConfig.model_validate({"kind": "nft", **wrong})
    with pytest.raises(ValidationError, match="most"):
        OldPolicy(kind="average", most=1.0)


def test_a_run_that_cannot_work_is_refused_before_it_starts() -> None:
    config = LearnerConfig.model_validate({"zero_stage": 3, "algorithm": {"kind": "nft", "old": {"kind": "average"}}})
    problems = [*config.algorithm.problems(TrainingSpec(config, SAMPLER, GROUPS, samples=1))]
    assert [problem.split(":")[0] for problem in problems] == ["samples_per_prompt", "learner.zero_stage"]
