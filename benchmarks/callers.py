"""Those who ask a judge for verdicts, as rollout actors do, and what asking costs them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import statistics
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import ray

from menagerie.world.picture import sample
from rewards.arrays import ImageArray
from rewards.serving.jury import JuryHandle

Ask = Callable[[ImageArray], Awaitable[None]]


class Caller:
    """Keeps `depth` groups of `size` pictures with a judge, as a rollout actor does."""

    def __init__(self, seed: int, size: int, depth: int) -> None:
        self._pictures = np.stack([sample(1000 * seed + i).pixels for i in range(32)])
        self._rng, self._size, self._depth = np.random.default_rng(seed), size, depth

    async def by_serve(self, jury: JuryHandle, seconds: float) -> tuple[int, list[float]]:
        """Groups judged, and the seconds that each took."""
        names = list(jury.config.judges)

        async def ask(images: ImageArray) -> None:
            verdicts = await jury.verdicts(images, ["a picture"] * len(images))
            assert all(verdict.status != "error" for name in names for verdict in verdicts[name])

        return await self._keep_asking([ask] * self._depth, seconds)

    async def by_http(self, port: int, seconds: float) -> tuple[int, list[float]]:
        """Groups judged, and the seconds that each took."""

        def asking() -> Ask:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

            def post(images: ImageArray) -> None:
                pixels, prompts = b64encode(images.tobytes()).decode(), ["a picture"] * len(images)
                connection.request(
                    "POST", "/", json.dumps({"shape": images.shape, "pixels": pixels, "prompts": prompts})
                )
                assert len(json.loads(connection.getresponse().read())) == len(images)

            return lambda images: asyncio.to_thread(post, images)

        return await self._keep_asking([asking() for _ in range(self._depth)], seconds)

    async def _keep_asking(self, asks: list[Ask], seconds: float) -> tuple[int, list[float]]:
        until, took = time.monotonic() + seconds, list[float]()

        async def one(ask: Ask) -> None:
            while (start := time.monotonic()) < until:
                await ask(self._group())
                took.append(time.monotonic() - start)

        await asyncio.gather(*(one(ask) for ask in asks))
        return len(took), took

    def _group(self) -> ImageArray:
        """Pictures that nobody has seen: drawn ones with noise in one row: making more is not what is measured."""
        chosen = self._pictures[self._rng.integers(0, len(self._pictures), self._size)]
        chosen[:, 0] ^= self._rng.integers(0, 8, chosen[:, 0].shape, np.uint8)
        return chosen


def cpu_spent() -> float:
    """Seconds of CPU that every process of this benchmark has used."""
    spent = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent += times.user + times.system
    return spent


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side did in its turn: pictures a second, milliseconds of CPU a picture, median milliseconds a group."""

    rate: float
    cpu: float
    wait: float

    @classmethod
    def of(cls, calls: list[Any], size: int) -> Turn:
        start, spent = time.monotonic(), cpu_spent()
        answers: list[tuple[int, list[float]]] = ray.get(calls)
        elapsed, spent = time.monotonic() - start, cpu_spent() - spent
        pictures = size * sum(count for count, _ in answers)
        took = [seconds for _, all_of in answers for seconds in all_of]
        return cls(pictures / elapsed, 1000 * spent / pictures, 1000 * statistics.median(took))
