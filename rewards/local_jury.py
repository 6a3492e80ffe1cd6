# pyright: strict
"""The jury in one process: no Ray, no replicas, the same verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewards.bench import Bench
from rewards.config import RewardsConfig
from rewards.judge import Judge
from rewards.verdict import Verdict


class LocalJury:
    """Asks judges that are loaded in this process, each at one model call at a time.

    Produces `n` verdicts of each judge; one that raises gives verdicts with status error. One that hangs, hangs: only
    replicas can be replaced. `judges` may be some of the config's; the others are missing from every answer.
    """

    def __init__(self, config: RewardsConfig, judges: Mapping[str, Judge]) -> None:
        self.config = config
        self.versions = {name: judge.version for name, judge in judges.items()}
        self._benches = {name: Bench(judge, config.judges[name].serve.max_batch_size) for name, judge in judges.items()}

    async def verdicts(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> dict[str, list[Verdict]]:
        """Judge name → `n` verdicts for `images` `[n, H, W, 3]` uint8 and `n` prompts."""
        patience = self.config.deadline_s
        heard = await asyncio.gather(
            *(bench.hear(images, prompts, metadata, patience) for bench in self._benches.values())
        )
        return dict(zip(self._benches, heard, strict=True))
