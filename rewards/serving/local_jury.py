# pyright: strict
"""The jury in one process: no Ray, no replicas, the same verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewards.config import RewardsConfig
from rewards.judge import Judge
from rewards.serving.batcher import Batcher
from rewards.verdict import Verdict, where_it_applies


class LocalJury:
    """Asks judges that are loaded in this process, each at one model call at a time.

    Produces `n` verdicts of each judge; one that raises gives verdicts with status error. One that hangs, hangs: only
    replicas can be replaced. `judges` may be some of the config's; the others are missing from every answer.
    """

    def __init__(self, config: RewardsConfig, judges: Mapping[str, Judge]) -> None:
        self.config = config
        self.versions = {name: judge.version for name, judge in judges.items()}
        self._batchers = {
            name: Batcher(judge, config.judges[name].serve.max_batch_size, remembered=config.judges[name].cache)
            for name, judge in judges.items()
        }

    async def verdicts(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> dict[str, list[Verdict]]:
        """Judge name → `n` verdicts for `images` `[n, H, W, 3]` uint8 and `n` prompts."""
        about: Sequence[Mapping[str, Any]] = metadata if metadata is not None else [{} for _ in prompts]
        names = list(self._batchers)
        heard = await asyncio.gather(*(self._ask(name, images, prompts, about) for name in names))
        return dict(zip(names, heard, strict=True))

    def stats(self) -> dict[str, dict[str, float]]:
        """Empty: no replicas, no waits, nothing to count."""
        return {}

    async def _ask(
        self, name: str, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> list[Verdict]:
        applies = [self.config.judges[name].applies_to(facts) for facts in metadata]
        given = None
        if any(applies):
            given = await self._batchers[name].score(images, prompts, metadata, self.config.timeout_of(name))
        return where_it_applies(applies, name, given)
