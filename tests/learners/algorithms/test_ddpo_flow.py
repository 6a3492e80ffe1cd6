"""The DDPO learner on a flow: the same learner, another kind of policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import ddpo, load_policy, roll

from actors.config import SamplerConfig
from actors.trajectory import JudgedGroup
from learners.algorithms.ddpo import DDPOConfig, DDPOLearner
from learners.algorithms.ratio_check import RatioError
from learners.config import LearnerConfig

GROUPS, SAMPLES = 2, 4


def make(folder: Path, sampler: SamplerConfig, lr: float = 1e-3, **config: float) -> DDPOLearner:
    settings = LearnerConfig(lr=lr, algorithm=DDPOConfig.model_validate(config))
    return ddpo(load_policy(folder), settings, GROUPS, SAMPLES, sampler)


def rolled(learner: DDPOLearner, indices: range, sampler: SamplerConfig, **more: Any) -> list[JudgedGroup]:
    return roll(learner.policy, learner.version, indices, SAMPLES, sampler, recording=learner.recording, **more)


@pytest.mark.parametrize("guidance", [1.0, 4.5])
def test_the_ratio_of_a_fresh_batch_is_one_with_and_without_guidance(tiny_flow_dir: Path, guidance: float):
    sampler = SamplerConfig(steps=4, eta=0.7, guidance=guidance)
    learner = make(tiny_flow_dir, sampler, kl=0.1)
    before = learner.adapter()
    for update in range(2):
        indices = range(update * GROUPS, (update + 1) * GROUPS)
        stats = learner.update(rolled(learner, indices, sampler))
        assert stats["ratio/max"] == pytest.approx(1, abs=1e-5)
        assert np.isfinite(list(stats.values())).all()
        if update == 0:
            assert stats["startup_ratio_off"] <= 1e-5
    assert learner.adapter().checksum() != before.checksum()


def test_a_learner_with_another_noise_is_stopped_before_its_first_update(tiny_flow_dir: Path):
    sampler = SamplerConfig(steps=4, eta=0.7, guidance=1.0)
    learner = make(tiny_flow_dir, sampler.model_copy(update={"eta": 0.5}))
    with pytest.raises(RatioError, match=r"timestep 1000: \|r - 1\|"):
        learner.update(rolled(learner, range(GROUPS), sampler))
    steps = make(tiny_flow_dir, sampler.model_copy(update={"steps": 8}))
    with pytest.raises(RatioError, match=r"sampled at timesteps \[1000\.0, .* the learner's scheduler has"):
        steps.update(rolled(steps, range(GROUPS), sampler))


def test_what_is_rewarded_is_drawn_more(tiny_flow_dir: Path):
    """Sample, judge, update: pictures become redder when that is the reward."""
    sampler = SamplerConfig(steps=4, eta=0.7, guidance=1.0)
    learner = make(tiny_flow_dir, sampler, lr=3e-2, timestep_fraction=1.0)

    def redness(images: np.ndarray) -> np.ndarray:
        return images[..., 0].mean(axis=(1, 2)).astype(np.float32)

    means: list[float] = []
    for _ in range(12):
        groups = rolled(learner, range(GROUPS), sampler, reward=redness)
        means.append(float(np.mean([g.rewards.mean() for g in groups])))
        learner.update(groups)
    assert means[-1] > means[0] + 0.2, means
    assert torch.isfinite(torch.from_numpy(learner.adapter().values)).all()
