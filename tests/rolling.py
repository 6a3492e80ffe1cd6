"""A rollout in a test's own event loop, with the real ledger and a real judge."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
from local_services import REWARDS, JpegJury, LocalWeights

from actors.adapter import Adapter
from actors.audit import Auditor
from actors.config import ActorsConfig, AuditConfig, PolicyConfig
from actors.diffusion.evaluation_settings import PlainSettings, SampledSettings
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from actors.rollout import Rollout
from rewards.config import RewardsConfig
from rewards.panel.panel import Panel


def new_policy(folder: Path) -> Policy:
    return Policy.load(PolicyConfig(model=str(folder)), seed=0)


def rollout(
    sampler: Sampler,
    ledger: Any,
    weights: Any = None,
    jury: Any = None,
    rewards: RewardsConfig = REWARDS,
    sampled: SampledSettings | None = None,
    plain: PlainSettings | None = None,
    **config: Any,
) -> Rollout:
    settings = {"poll_s": 0.05, "call_deadline_s": 5.0, "ticket_deadline_s": 30.0} | config
    return Rollout(
        "rollout-0",
        sampler,
        Panel(rewards),
        ActorsConfig(**settings),
        ledger=ledger,
        weights=weights or LocalWeights(sampler.policy.adapter(0)),
        jury=jury or JpegJury(),
        auditor=Auditor(AuditConfig(), ["jpeg"]),
        sampled=sampled,
        plain=plain,
    )


async def until(condition: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def run(actor: Rollout, learning: Any) -> Any:
    """Rolls until the learner is done; a rollout that fails first fails the test."""
    rolling, learner = asyncio.create_task(actor.roll()), asyncio.create_task(learning)
    async with asyncio.timeout(60):
        await asyncio.wait([rolling, learner], return_when=asyncio.FIRST_COMPLETED)
        if rolling.done():
            learner.cancel()
            await rolling
        actor.stop()
        await rolling
        return await learner


def shifted(zero: Adapter, version: int) -> Adapter:
    """Weights that are another for each version, as training makes them."""
    noise = np.random.default_rng(version).normal(size=zero.values.shape).astype(np.float32)
    return Adapter(version, zero.names, zero.shapes, zero.values + 0.2 * noise)
