# pyright: strict
"""Statistics of the calls that one process makes to one judge."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager

import numpy as np


class JudgeStats:
    """Counts, the latencies of the last 512 answered calls, and for how long the judge has been silent.

    Silence is the time since its last answer in which at least one call was waiting: of a judge that nobody asks,
    nobody knows whether it would answer.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.calls = self.failed = self.died = self.pushed_back = 0
        self._clock = clock
        self._seconds: deque[float] = deque(maxlen=512)
        self._open = 0
        self._silent_s = 0.0
        self._seen = clock()

    @contextmanager
    def asking(self) -> Generator[Callable[[float], None]]:
        """Context manager: times one judge call; yields `answered(latency_s)`, to be called when there is a verdict."""
        self.calls += 1
        self._pass_time()
        self._open += 1
        waiting = True

        def close() -> None:
            nonlocal waiting
            self._pass_time()
            self._open -= waiting
            waiting = False

        def answered(seconds: float) -> None:
            close()
            self._seconds.append(seconds)
            self._silent_s = 0.0

        try:
            yield answered
        finally:
            close()

    def unanswered(self) -> float:
        """Counts a call without a verdict; returns the seconds of the judge's silence."""
        self.failed += 1
        self._pass_time()
        return self._silent_s

    def stats(self) -> dict[str, float]:
        """Metrics for the curves: counts of calls, and seconds where the name ends in `_s`."""
        self._pass_time()
        p95 = np.percentile(self._seconds, 95) if self._seconds else 0.0
        return {
            "calls": self.calls,
            "failed": self.failed,
            "died": self.died,
            "pushed_back": self.pushed_back,
            "p95_s": float(p95),
            "silent_s": self._silent_s,
        }

    def _pass_time(self) -> None:
        now = self._clock()
        if self._open:
            self._silent_s += now - self._seen
        self._seen = now
