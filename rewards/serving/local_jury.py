# pyright: strict
"""The jury in one process: no Ray, no replicas, the same verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.arrays import ImageArray
from rewards.config import RewardsConfig
from rewards.judge import Judge
from rewards.prompt_metadata import metadata_of
from rewards.serving.batcher import Batcher
from rewards.verdict import Verdict, where_it_applies


class LocalJury:
    """Asks judges that are loaded in this process, each in one model call at a time.

    Produces `n` verdicts of each judge; one that raises gives verdicts with status error. One that hangs blocks its
    caller: only replicas can be replaced. `judges` may be some of the config's; the others are missing from every
    answer.
    """

    def __init__(self, config: RewardsConfig, judges: Mapping[str, Judge]) -> None:
        self.config = config
        self.versions = {name: judge.version for name, judge in judges.items()}
        self._batchers = {
            name: Batcher(judge, config.judges[name].serve.max_batch_size, remembered=config.judges[name].cache)
            for name, judge in judges.items()
        }

    async def verdicts(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> dict[str, list[Verdict]]:
        """Judge name → `n` verdicts for `images` `[n, H, W, 3]` uint8 and `n` prompts."""
        known = metadata_of(len(prompts), metadata)
        names = list(self._batchers)
        verdicts = await asyncio.gather(*(self._ask(name, images, prompts, known) for name in names))
        return dict(zip(names, verdicts, strict=True))

    def stats(self) -> dict[str, dict[str, float]]:
        """Empty: no replicas, no waits, nothing to count."""
        return {}

    async def _ask(
        self, name: str, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> list[Verdict]:
        applies = [self.config.judges[name].applies_to(entry) for entry in metadata]
        verdicts = None
        if any(applies):
            verdicts = await self._batchers[name].score(images, prompts, metadata, self.config.timeout_of(name))
        return where_it_applies(applies, name, verdicts)
