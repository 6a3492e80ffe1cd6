"""What holds for every algorithm that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from plain_loop import SAMPLER, load_policy, roll
from pydantic import ValidationError
from two_workers import trained, trained_by_two

from learners.config import Algorithm, LearnerConfig, statistics_charts
from learners.settings import TrainingSpec

GROUPS, SAMPLES = 2, 4
KINDS = [str(variant.model_fields["kind"].default) for variant in get_args(Algorithm)]
LEARNT = [
    {"kind": "ddpo"},
    {"kind": "nft"},
    {"kind": "nft", "old": {"kind": "average", "rate": 0.2}, "weighting": "none", "kl": 0.1},
    # The default β of 5000 would multiply the rounding of two workers by as much.
    {"kind": "dpo", "beta": 50.0},
    {"kind": "sft", "keep": 2, "timesteps": {"kind": "logit_normal"}},
    {"kind": "rwr", "advantage": {"kind": "per_prompt", "min_count": 6, "buffer": 8}, "timesteps": {"kind": "sampler"}},
]
NAMES = [" ".join(map(str, settings.values())) for settings in LEARNT]


def settings(algorithm: dict[str, Any], **more: Any) -> LearnerConfig:
    return LearnerConfig.model_validate({"lr": 1e-3, "algorithm": algorithm, **more})


def make(folder: Path, config: LearnerConfig) -> Any:
    return config.algorithm.learner(load_policy(folder), TrainingSpec(config, SAMPLER, GROUPS, SAMPLES))


def rolled(learner: Any) -> Any:
    indices = range(learner.version * GROUPS, (learner.version + 1) * GROUPS)
    return roll(learner.policy, learner.version, indices, SAMPLES, recording=learner.recording)


@pytest.mark.parametrize("kind", KINDS)
def test_an_algorithm_says_what_is_asked_of_it(kind: str) -> None:
    config = settings({"kind": kind})
    algorithm = config.algorithm
    spec = TrainingSpec(config, SAMPLER, GROUPS, SAMPLES)
    stochastic = np.ones(SAMPLER.steps, bool)
    assert algorithm.arithmetic(spec, stochastic).pairs > 0
    assert [*algorithm.problems(spec)] == []
    assert len({chart.title for chart in algorithm.charts}) == len(algorithm.charts) > 0
    assert statistics_charts(kind) == algorithm.charts
    assert f"{algorithm.arithmetic(spec, stochastic).trained_steps} " in algorithm.trained_in_words(spec, stochastic)


def test_the_charts_of_an_unknown_algorithm_are_none_and_those_of_none_the_default_s() -> None:
    assert statistics_charts("unknown") == ()
    assert statistics_charts(None) == statistics_charts("ddpo")


def test_keys_of_another_algorithm_are_refused() -> None:
    for wrong in ({"kind": "sft", "clip": {}}, {"kind": "ddpo", "beta": 1}, {"kind": "other"}):
        with pytest.raises(ValidationError):
            settings(wrong)


@pytest.mark.parametrize("algorithm", LEARNT, ids=NAMES)
def test_two_updates_saved_restored_and_two_more_equal_four_bit_for_bit(
    tiny_policy_dir: Path, tmp_path: Path, algorithm: dict[str, Any]
) -> None:
    config = settings(algorithm, inner_epochs=2, minibatches=2)
    straight = make(tiny_policy_dir, config)
    for _ in range(2):
        straight.update(rolled(straight))
    straight.save(tmp_path / "checkpoint")
    resumed = make(tiny_policy_dir, config)
    torch.manual_seed(99)
    np.random.seed(99)
    resumed.restore(tmp_path / "checkpoint")
    assert resumed.version == 2
    for _ in range(2):
        assert resumed.adapter().checksum() == straight.adapter().checksum()
        ours, theirs = resumed.update(rolled(resumed)), straight.update(rolled(straight))
        ours.pop("startup_ratio_off", None)  # every new process checks its first batch
        assert ours == theirs
    assert resumed.adapter().checksum() == straight.adapter().checksum()
    assert resumed.engine.adapter(4).checksum() == straight.engine.adapter(4).checksum()


@pytest.mark.parametrize("algorithm", LEARNT[1:], ids=NAMES[1:])
def test_micro_batches_change_an_update_only_by_rounding(tiny_policy_dir: Path, algorithm: dict[str, Any]) -> None:
    def moved(micro_batch: int) -> np.ndarray:
        # So large an epsilon makes AdamW's step proportional to the gradient.
        learner = make(tiny_policy_dir, settings(algorithm, micro_batch=micro_batch, epsilon=1.0, lr=1.0))
        before = learner.adapter().values
        learner.update(rolled(learner))
        learner.update(rolled(learner))
        return learner.engine.adapter(2).values - before

    whole, parts = moved(64), moved(5)
    assert np.abs(whole).max() > 1e-5
    assert np.abs(whole - parts).max() < 1e-3 * np.abs(whole).max()


@pytest.mark.parametrize("kind", ["nft", "dpo", "sft", "rwr"])
def test_a_flow_is_trained_as_a_diffusion_is(tiny_flow_dir: Path, kind: str) -> None:
    learner = make(tiny_flow_dir, settings({"kind": kind}))
    before = learner.adapter().checksum()
    stats = learner.update(rolled(learner))
    assert learner.adapter().checksum() != before
    assert all(np.isfinite(value) for value in stats.values())
    assert {
        "loss",
        "denoising_error",
        "trained_share",
        "reward/mean",
        "lag/mean",
        "lag/max",
        "grad_norm",
    } < stats.keys()


@pytest.mark.parametrize("kind", ["nft", "dpo", "sft", "rwr"])
def test_pictures_of_earlier_policies_are_welcome_and_their_lag_is_said(tiny_policy_dir: Path, kind: str) -> None:
    learner = make(tiny_policy_dir, settings({"kind": kind}))
    stale = roll(learner.policy, 0, range(2 * GROUPS), SAMPLES, recording=learner.recording)
    first = learner.update(stale[:GROUPS])
    second = learner.update(stale[GROUPS:])
    assert (first["lag/max"], second["lag/mean"], second["lag/max"]) == (0, 1, 1)


def test_a_checkpoint_of_one_algorithm_is_refused_by_another(tiny_policy_dir: Path, tmp_path: Path) -> None:
    make(tiny_policy_dir, settings({"kind": "rwr"})).save(tmp_path / "checkpoint")
    other = make(tiny_policy_dir, settings({"kind": "ddpo"}))
    with pytest.raises(ValueError, match=r"saved with learner\.algorithm\.kind rwr; this run has ddpo"):
        other.restore(tmp_path / "checkpoint")


@pytest.mark.slow
def test_two_workers_train_what_one_does(tiny_policy_dir: Path, tmp_path: Path) -> None:
    # So large an epsilon makes AdamW's step proportional to the gradient.
    common = {"lr": 0.1, "epsilon": 1.0, "micro_batch": 8, "zero_stage": 1}
    configs = [{**common, "algorithm": algorithm} for algorithm in LEARNT[1:]]
    shared = trained_by_two(tiny_policy_dir, [{**config, "workers": 2} for config in configs], 2, tmp_path / "out")
    start = load_policy(tiny_policy_dir).adapter(0).values
    for config, (theirs, weights) in zip(configs, shared, strict=True):
        ours, alone = trained(tiny_policy_dir, LearnerConfig.model_validate(config), 2)
        for mine, its in zip(ours, theirs, strict=True):
            assert its == pytest.approx(mine, rel=1e-5, abs=1e-5)
        assert np.abs(weights - alone).max() < 1e-3 * np.abs(alone - start).max()
