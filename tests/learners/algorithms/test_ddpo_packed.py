"""The DDPO learner on a pipeline that packs its latents and takes its guidance as an input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from packed_flow import PackedFlow, save_tiny_packed
from plain_loop import ddpo, load_policy, roll

from actors.config import SamplerConfig
from actors.diffusion.pipelines import registry
from learners.algorithms.ddpo import DDPOConfig
from learners.config import LearnerConfig

GROUPS, SAMPLES = 2, 4


@pytest.mark.parametrize("guidance", [1.0, 4.5])
def test_the_ratio_of_a_fresh_batch_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guidance: float) -> None:
    monkeypatch.setitem(registry.KINDS, "FluxPipeline", PackedFlow)
    sampler = SamplerConfig(steps=4, eta=0.7, guidance=guidance)
    policy = load_policy(save_tiny_packed(tmp_path))
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
