# pyright: strict
"""Where the wall time of a process goes: a stopwatch by phase, and what rollout actors and learners report of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from rewards.errors import kind_of_reason

# Phases in which the actor's denoiser has nothing to do.
IDLE = ("waiting_ticket", "waiting_judges")


class Stopwatch:
    """The seconds that each named phase took so far, in `seconds`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.seconds: dict[str, float] = {}
        self._clock = clock

    @contextmanager
    def __call__(self, phase: str) -> Generator[None]:
        """Context manager: adds the time spent inside to `phase`, also when an error leaves it."""
        start = self._clock()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + self._clock() - start


class Meter:
    """Seconds by phase and counts of one rollout actor, since it began to roll.

    Phases of the denoising loop (`rolling`, `weights`, `waiting_ticket`, `waiting_judges`) follow each other, so they
    add up to the elapsed time but for `unaccounted`. `judging` runs beside them, several groups at once, and may be
    more.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: float | None = None
        self.span = Stopwatch(clock)
        """`with meter.span(phase)` adds the time spent inside to that phase"""
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()

    def begin(self) -> None:
        """The actor begins to roll; a second call changes nothing."""
        self._began = self._clock() if self._began is None else self._began

    def count(self, name: str, amount: int = 1) -> None:
        """Adds to a count, such as `images`."""
        self._counts[name] += amount

    def dropped(self, reason: str) -> None:
        """Adds a dropped group."""
        self._dropped[kind_of_reason(reason)] += 1

    def snapshot(self) -> dict[str, Any]:
        """Seconds by phase, counts, `images_per_s`, and `idle_share` of the denoiser; plain values."""
        elapsed = 0.0 if self._began is None else self._clock() - self._began
        seconds = dict(self.span.seconds)
        loop = sum(value for name, value in seconds.items() if name != "judging")
        share = sum(seconds.get(name, 0.0) for name in IDLE) / elapsed if elapsed else 0.0
        return {
            "elapsed_s": elapsed,
            "seconds": {**seconds, "unaccounted": max(0.0, elapsed - loop)},
            "idle_share": share,
            "images_per_s": self._counts["images"] / elapsed if elapsed else 0.0,
            **{name: self._counts[name] for name in ("images", "groups", "fenced", "errors")},
            "dropped": dict(self._dropped),
        }


class UpdateTimer(Stopwatch):
    """The stopwatch of one learner worker, read at every update."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(clock)
        self._since = clock()

    def read(self) -> dict[str, float]:
        """`seconds/PHASE` and `idle/learner` (the share spent "waiting") since the last reading; starts afresh."""
        now = self._clock()
        row = {f"seconds/{phase}": seconds for phase, seconds in self.seconds.items()}
        row["idle/learner"] = self.seconds.get("waiting", 0.0) / max(now - self._since, 1e-9)
        self.seconds, self._since = {}, now
        return row
