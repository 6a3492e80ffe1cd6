# pyright: strict
"""What one caller has seen of one judge."""

from __future__ import annotations

from collections import deque

import numpy as np


class JudgeRecord:
    """Counts, the seconds of the last 512 answered questions, and since when the judge is silent."""

    def __init__(self) -> None:
        self.calls = self.failed = self.died = self.pushed_back = 0
        self._seconds: deque[float] = deque(maxlen=512)
        self._silent_since: float | None = None

    def answered(self, seconds: float) -> None:
        """It gave a verdict after `seconds`."""
        self._seconds.append(seconds)
        self._silent_since = None

    def unanswered(self, now: float) -> float:
        """It gave none; returns the seconds since the first of the questions in a row that it left open."""
        self.failed += 1
        self._silent_since = now if self._silent_since is None else self._silent_since
        return now - self._silent_since

    def stats(self, now: float) -> dict[str, float]:
        """Plain numbers for the curves; seconds unless the name says otherwise."""
        p50, p95 = np.percentile(self._seconds, [50, 95]) if self._seconds else (0.0, 0.0)
        return {
            "calls": self.calls,
            "failed": self.failed,
            "died": self.died,
            "pushed_back": self.pushed_back,
            "p50_s": float(p50),
            "p95_s": float(p95),
            "silent_s": 0.0 if self._silent_since is None else now - self._silent_since,
        }
