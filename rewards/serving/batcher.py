# pyright: strict
"""Continuous batching in a replica: one judge, and the queue of requests for it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, cast

import numpy as np

from rewards.arrays import ImageArray
from rewards.judge import Judge
from rewards.prompt_metadata import Metadata, metadata_of
from rewards.serving.cache import VerdictCache
from rewards.verdict import Verdict


@dataclass(slots=True, eq=False)
class _Request:
    images: ImageArray
    prompts: Sequence[str]
    metadata: Metadata
    until: float
    answer: asyncio.Future[list[Verdict]]
    taken: bool = field(default=False)


class Batcher:
    """Continuous batching: each model call takes up to `max_batch` queued requests, in order.

    Serve closes a batch before the judge is free for it, so that requests which come one by one while it works would be
    judged one by one. Here the next call takes what has queued up meanwhile.

    Invariant: every request gets one verdict a picture. A judge that raises, or answers with something else, gives
    verdicts with status error and the reason; its other requests are judged again without the one that failed.
    A picture whose verdict is in the cache (of `remembered` verdicts) is not judged again.
    """

    def __init__(
        self,
        judge: Judge,
        max_batch: int = 8,
        concurrent: int = 1,
        clock: Callable[[], float] = time.monotonic,
        remembered: int = 0,
    ) -> None:
        self.judge = judge
        self._cache = VerdictCache(remembered)
        self._max_batch = max_batch
        self._clock = clock
        self._turns = asyncio.Semaphore(concurrent)
        self._waiting: deque[_Request] = deque()
        self._running: dict[object, float] = {}
        self.device_lost = ""
        """the error after which no model call can succeed any more; empty while there was none"""

    async def score(
        self, images: ImageArray, prompts: Sequence[str], metadata: Metadata | None, timeout_s: float
    ) -> list[Verdict]:
        """Verdicts for `images` `[n, H, W, 3]`. What is `timeout_s` old is not judged: nobody waits for it."""
        metadata = metadata_of(len(prompts), metadata)
        if not self._cache.size:
            return await self._queue(images, prompts, metadata, timeout_s)
        keys = [self._cache.key(self.judge.version, *one) for one in zip(images, prompts, metadata, strict=True)]
        known = [self._cache.get(key) for key in keys]
        new = [i for i, verdict in enumerate(known) if verdict is None]
        if new:
            asked = images[new], [prompts[i] for i in new], [metadata[i] for i in new]
            for i, verdict in zip(new, await self._queue(*asked, timeout_s), strict=True):
                known[i] = replace(verdict, remembered=False)
                self._cache.put(keys[i], verdict)
        return [verdict for verdict in known if verdict is not None]

    async def score_all(self, requests: Sequence[tuple[Any, ...]]) -> list[list[Verdict]]:
        """`score` for several requests at once; one answer each, in order."""
        return await asyncio.gather(*(self.score(*request) for request in requests))

    def busy_for(self) -> float:
        """Seconds since the oldest model call that has not come back; 0 when none runs."""
        return max((self._clock() - start for start in self._running.values()), default=0.0)

    async def _queue(
        self, images: ImageArray, prompts: Sequence[str], metadata: Metadata, timeout_s: float
    ) -> list[Verdict]:
        answer = asyncio.get_running_loop().create_future()
        request = _Request(images, prompts, metadata, self._clock() + timeout_s, answer)
        self._waiting.append(request)
        async with self._turns:
            if not request.taken:
                await self._judge_waiting()
        return await request.answer

    async def _judge_waiting(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]
        now, call = self._clock(), object()
        for request in batch:
            request.taken = True
            if request.until <= now:
                request.answer.set_result(self._errors(request, "asked too long ago; nobody waits for it"))
        current = [request for request in batch if not request.answer.done()]
        if not current:
            return
        self._running[call] = now
        try:
            answers = await asyncio.to_thread(self._judge_together, current)
        finally:
            del self._running[call]
        for request, verdicts in zip(current, answers, strict=True):
            request.answer.set_result(verdicts)

    def _judge_together(self, requests: Sequence[_Request]) -> list[list[Verdict]]:
        """Runs in a thread. One model call for all requests of one picture size; one each if that fails."""
        answers: dict[int, list[Verdict]] = {}
        by_size: dict[tuple[int, ...], list[int]] = {}
        for i, request in enumerate(requests):
            by_size.setdefault(request.images.shape[1:], []).append(i)
        for indices in by_size.values():
            together = [requests[i] for i in indices]
            verdicts = self._call(together)
            if isinstance(verdicts, str) and len(together) > 1:
                answers |= {i: self._alone(requests[i]) for i in indices}
                continue
            for i in indices:
                n = len(requests[i].prompts)
                if isinstance(verdicts, str):
                    answers[i] = self._errors(requests[i], verdicts)
                else:
                    answers[i], verdicts = verdicts[:n], verdicts[n:]
        return [answers[i] for i in range(len(requests))]

    def _alone(self, request: _Request) -> list[Verdict]:
        verdicts = self._call([request])
        return self._errors(request, verdicts) if isinstance(verdicts, str) else verdicts

    def _call(self, requests: Sequence[_Request]) -> list[Verdict] | str:
        """The verdicts of one model call, or why there are none."""
        images = np.concatenate([request.images for request in requests]) if len(requests) > 1 else requests[0].images
        prompts = [prompt for request in requests for prompt in request.prompts]
        metadata = [entry for request in requests for entry in request.metadata]
        start = time.perf_counter()
        try:
            # A judge of a user's own may return anything.
            verdicts = cast(object, self.judge.judge(images, prompts, metadata))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if _lost_its_device(error):
                self.device_lost = reason
            return reason
        seconds = time.perf_counter() - start
        if not isinstance(verdicts, list):
            return f"a judgement of type {type(verdicts).__name__} instead of a list of verdicts"
        items = cast(list[object], verdicts)
        if len(items) != len(prompts):
            return f"{len(items)} verdicts for {len(prompts)} pictures"
        stamped = [self._stamped(verdict, seconds) for verdict in items if isinstance(verdict, Verdict)]
        return stamped if len(stamped) == len(items) else "something in the list of verdicts is no verdict"

    def _stamped(self, verdict: Verdict, seconds: float) -> Verdict:
        name, version = self.judge.name, verdict.version or self.judge.version
        if verdict.value is not None and not np.isfinite(verdict.value):
            return Verdict(name, "error", text=f"value {verdict.value}", version=version, latency=seconds)
        for key, score in cast(Mapping[str, object], verdict.scores).items():
            if not isinstance(score, Real | np.bool_):  # NaN is a number here: not measured
                reason = f"sub-score {key} is no number but {score!r}"
                return Verdict(name, "error", text=reason, version=version, latency=seconds)
        return replace(verdict, judge=name, version=version, latency=seconds)

    def _errors(self, request: _Request, reason: str) -> list[Verdict]:
        return [Verdict(self.judge.name, "error", text=reason, version=self.judge.version)] * len(request.prompts)


def _lost_its_device(error: Exception) -> bool:
    """Whether the process can't use its accelerator again. A failed assert on a GPU stays with every later call, and
    may come back from any, as a RuntimeError of CUDA's or as the AcceleratorError of torch (which is not imported)."""
    text = str(error)
    return type(error).__name__ == "AcceleratorError" or "CUDA error" in text or "device-side assert" in text
