"""A tiny policy with its sampler, loaded once for each module of tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from rolling import new_policy

from actors.adapter import Adapter
from actors.config import SamplerConfig
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler


@pytest.fixture(scope="module")
def policy(tiny_policy_dir: Path) -> Policy:
    return new_policy(tiny_policy_dir)


@pytest.fixture(scope="module")
def zero(policy: Policy) -> Adapter:
    return policy.adapter(0)


@pytest.fixture
def sampler(policy: Policy, zero: Adapter) -> Sampler:
    policy.load_adapter(zero)
    return Sampler(policy, SamplerConfig(steps=2, guidance=1.0))
