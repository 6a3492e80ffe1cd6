"""The real DeepSpeed engine on CPU and gloo, one process, against plain torch."""

import numpy as np
import pytest
from plain_loop import SAMPLER, PlainLearner, load_policy, roll

from learners.config import LearnerConfig
from learners.ddpo import DDPOLearner

GROUPS, SAMPLES = 2, 4


def learner(folder, config, **kwargs):
    return DDPOLearner(load_policy(folder), config, SAMPLER, groups=GROUPS, samples=SAMPLES, **kwargs)


@pytest.mark.parametrize("stage", [0, 1])
def test_three_updates_equal_a_plain_torch_loop_bit_for_bit(tiny_policy_dir, stage):
    config = LearnerConfig(zero_stage=stage, micro_batch=8, lr=1e-3, max_grad_norm=1e3)
    deep = learner(tiny_policy_dir, config)
    plain = PlainLearner(load_policy(tiny_policy_dir), config, GROUPS, SAMPLES)
    for version in range(3):
        places = range(version * GROUPS, (version + 1) * GROUPS)
        ours = roll(deep.likelihood.policy, version, places, SAMPLES)
        theirs = roll(plain.policy, version, places, SAMPLES)
        assert np.array_equal(ours[0].trajectories.images, theirs[0].trajectories.images)
        stats = deep.update(ours)
        norm = plain.update(theirs)
        assert stats["grad_norm"] == pytest.approx(norm, rel=1e-5)
        assert stats["grad_norm"] > 0
        assert np.array_equal(deep.adapter().values, plain.policy.adapter(version + 1).values)
