"""What a rollout works with, in this process: the real ledger, a weight store in memory, and the JPEG judge."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from actors.adapter import Adapter
from actors.audit import JudgedPicture
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup
from cluster.ledger.ledger import Ledger
from rewards.config import RewardsConfig
from rewards.judges.jpeg import JpegConfig, JpegJudge
from rewards.registry import judge_config
from rewards.verdict import Verdict

REWARDS = RewardsConfig(judges={"jpeg": judge_config(kind="jpeg")})
PROMPTS = ("a red cat", "a dog in the snow", "a giraffe", "a blue elephant on the beach")


class LocalLedger:
    """The ledger's own state machine, answered on the event loop."""

    def __init__(self, **settings: Any) -> None:
        defaults: dict[str, Any] = {
            "seed": 7,
            "groups_per_update": 2,
            "samples_per_prompt": 2,
            "max_lag": 0,
            "updates": 2,
            "clock": time.monotonic,
        }
        self.books = Ledger(lambda index: (PROMPTS[index % len(PROMPTS)], {"index": index}), **(defaults | settings))
        self.taken: list[Ticket] = []
        self.drops: list[str] = []
        self.audit: list[JudgedPicture] = []
        self.metrics: list[Mapping[str, float]] = []

    async def release(self, actor: str) -> None:
        self.books.release(actor)

    async def next_ticket(self, actor: str, wait_s: float) -> Ticket | None:
        until = time.monotonic() + wait_s
        while (ticket := self.books.next_ticket(actor)) is None and time.monotonic() < until:
            await asyncio.sleep(0.005)
        if ticket is not None:
            self.taken.append(ticket)
        return ticket

    async def judging(self, ticket_id: int, actor: str) -> bool:
        return self.books.judging(ticket_id, actor)

    async def submit(
        self, ticket_id: int, actor: str, group: JudgedGroup, version: int, summary: Mapping[str, Any]
    ) -> bool:
        self.audit += summary["audit"]
        self.metrics.append(summary["metrics"])
        return self.books.submit(ticket_id, actor, group, version, summary)

    async def drop(self, ticket_id: int, reason: str, audit: Sequence[JudgedPicture]) -> None:
        self.drops.append(reason)
        self.audit += audit
        self.books.drop(ticket_id, reason)

    async def learn(
        self, weights: LocalWeights, after: Callable[[int], Adapter] | None = None, until: int | None = None
    ) -> list[list[JudgedGroup]]:
        """A learner that learns nothing: takes each batch, publishes `after(version)`, settles; returns the batches."""
        batches: list[list[JudgedGroup]] = []
        while self.books.published < (until or self.books.updates):
            if (batch := self.books.batch()) is None:
                await asyncio.sleep(0.005)
                continue
            batches.append(batch)
            version = self.books.published + 1
            if after is not None:
                weights.adapter = after(version)
            else:
                assert weights.adapter is not None
                weights.adapter = dataclasses.replace(weights.adapter, version=version)
            self.books.settle(version)
            self.books.conservation()
        return batches


class LocalWeights:
    """Holds the newest adapter."""

    def __init__(self, adapter: Adapter | None = None) -> None:
        self.adapter = adapter

    async def latest(self) -> Adapter | None:
        return self.adapter


class JpegJury:
    """A jury of the JPEG judge alone."""

    def __init__(self) -> None:
        self.judge = JpegJudge("jpeg", JpegConfig())
        self.config = REWARDS
        self.versions = {"jpeg": self.judge.version}
        self.asked = 0

    async def verdicts(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> dict[str, list[Verdict]]:
        self.asked += 1
        return {"jpeg": self.judge.judge(images, prompts, metadata)}

    def stats(self) -> dict[str, dict[str, float]]:
        return {"jpeg": {"calls": self.asked, "failed": 0, "pushed_back": 0, "p95_s": 0.0}}
