"""The DDPO learner on every family of pipelines: it scores what was just rolled as the actor did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plain_loop import ddpo, load_policy, roll
from tiny_families import FAMILIES

from actors.config import SamplerConfig
from learners.algorithms.ddpo import DDPOConfig
from learners.config import LearnerConfig

GROUPS, SAMPLES, SIZE = 2, 2, (64, 32)


@pytest.mark.parametrize("guidance", [1.0, 4.5])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_ratio_of_a_fresh_batch_is_one(tmp_path: Path, family: str, guidance: float) -> None:
    sampler = SamplerConfig(steps=4, eta=0.7, guidance=guidance)
    policy = load_policy(FAMILIES[family].save(tmp_path), resolution=SIZE)
    config = LearnerConfig(lr=1e-3, algorithm=DDPOConfig(kl=0.1))
    learner = ddpo(policy, config, GROUPS, SAMPLES, sampler)
    before = learner.adapter()
    for update in range(2):
        indices = range(update * GROUPS, (update + 1) * GROUPS)
        stats = learner.update(roll(policy, update, indices, SAMPLES, sampler, recording=learner.recording))
        assert stats["ratio/max"] == pytest.approx(1, abs=1e-5)
        assert np.isfinite(list(stats.values())).all()
        if update == 0:
            assert stats["startup_ratio_off"] <= 1e-5
    assert learner.adapter().checksum() != before.checksum()
