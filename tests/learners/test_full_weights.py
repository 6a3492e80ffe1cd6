"""Training all weights of the network: the ratio is one, the steps are AdamW's, and it is resumed bit for bit."""

import numpy as np
import pytest
from plain_loop import PlainLearner, ddpo, load_policy, roll

from learners.algorithms.ddpo import DDPOConfig
from learners.config import LearnerConfig

GROUPS, SAMPLES = 2, 4


def make(folder, dtype="float32", **config):
    own = {key: config.pop(key) for key in DDPOConfig.model_fields if key in config}
    config = LearnerConfig(**{"lr": 1e-4, "micro_batch": 8, **config}, algorithm=DDPOConfig(**own))
    return ddpo(load_policy(folder, train="full", dtype=dtype), config, GROUPS, SAMPLES)


def rolled(actor, learner):
    actor.load_adapter(learner.adapter())
    first = learner.version * GROUPS
    return roll(actor, learner.version, range(first, first + GROUPS), SAMPLES)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_ratio_is_one_also_where_weights_are_rounded_to_compute(tiny_policy_dir, dtype):
    learner = make(tiny_policy_dir, dtype, ratio_tolerance=1e-5)
    actor = load_policy(tiny_policy_dir, train="full", dtype=dtype)
    for _ in range(2):
        stats = learner.update(rolled(actor, learner))
        assert stats["ratio/max"] == pytest.approx(1, abs=1e-5)
    learner = make(tiny_policy_dir, dtype, ratio_tolerance=1e-5)
    learner.policy.load_adapter(actor.adapter(0))
    assert learner.update(rolled(actor, learner))["startup_ratio_off"] <= 1e-5


@pytest.mark.parametrize("stage", [0, 1])
def test_updates_equal_a_plain_torch_loop_bit_for_bit(tiny_policy_dir, stage):
    deep = make(tiny_policy_dir, zero_stage=stage, max_grad_norm=1e3)
    actor = load_policy(tiny_policy_dir, train="full")
    plain = PlainLearner(load_policy(tiny_policy_dir, train="full"), deep.settings, GROUPS, SAMPLES)
    for _ in range(2):
        groups = rolled(actor, deep)
        deep.update(groups)
        plain.update(groups)
        assert np.array_equal(deep.adapter().values, plain.policy.adapter(0).values)


@pytest.mark.parametrize("stage", [1, 3])
def test_a_divergence_from_the_base_policy_is_seen_and_a_checkpoint_continues(tiny_policy_dir, tmp_path, stage):
    config = {"zero_stage": stage, "kl": 0.1, "ema": {"decay": 0.9}}
    straight, actor = make(tiny_policy_dir, **config), load_policy(tiny_policy_dir, train="full")
    assert straight.update(rolled(actor, straight))["kl_base"] == 0
    straight.save(tmp_path / "checkpoint")
    resumed = make(tiny_policy_dir, **config)
    resumed.restore(tmp_path / "checkpoint")
    groups = rolled(actor, straight)
    stats = [learner.update(groups) for learner in (straight, resumed)]
    stats[1].pop("startup_ratio_off")
    assert stats[0] == stats[1]
    assert stats[0]["kl_base"] > 0
    assert resumed.adapter().checksum() == straight.adapter().checksum()
    assert resumed.evaluated().checksum() == straight.evaluated().checksum()
