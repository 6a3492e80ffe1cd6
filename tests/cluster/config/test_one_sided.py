"""What the learner could not have as the rollout actors have it is refused where log-probs are compared."""

from __future__ import annotations

from typing import Any

import pytest

from actors.config import PolicyConfig
from cluster.config.one_sided import one_sided
from learners.algorithms.sft import SFTConfig
from learners.config import LearnerConfig


@pytest.mark.parametrize(
    ("policy", "stage", "keys"),
    [
        ({}, 3, []),
        ({"channels_last": True, "compile": "blocks"}, 2, []),
        ({"attention": "math"}, 3, []),
        ({"channels_last": True, "compile": "network"}, 3, ["policy.compile: network", "policy.channels_last"]),
    ],
)
def test_what_zero_3_cannot_have_is_refused(policy: dict[str, Any], stage: int, keys: list[str]) -> None:
    lines = [*one_sided(PolicyConfig(model="m", **policy), LearnerConfig(zero_stage=stage))]
    assert [line[: len(key)] for line, key in zip(lines, keys, strict=True)] == keys


def test_without_a_ratio_images_may_lie_in_memory_as_they_like() -> None:
    policy = PolicyConfig(model="m", channels_last=True)
    assert [*one_sided(policy, LearnerConfig(zero_stage=3, algorithm=SFTConfig()))] == []
