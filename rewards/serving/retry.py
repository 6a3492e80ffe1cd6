# pyright: strict
"""Bounded retry of one judge call, with growing pauses."""

from __future__ import annotations

from collections.abc import Callable

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0


class Attempts:
    """One call to one judge: repeated until it is answered, has failed `retries + 1` times, or `timeout_s` are over.

    waits for       nothing: the caller makes the calls and sleeps for `pause()` between two of them
    consumes        the outcome of each call without an answer
    produces        whether to call again, for how long, and at last a `reason`

    A full queue is no fault of the judge, so being pushed back costs time, but no retry.
    """

    def __init__(self, timeout_s: float, retries: int, clock: Callable[[], float]) -> None:
        self._timeout_s, self._retries, self._clock = timeout_s, retries, clock
        self._began = clock()
        self._failures = 0
        self._why = ""
        self._pause_s = FIRST_PAUSE_S

    @property
    def seconds(self) -> float:
        """Seconds since the first call."""
        return self._clock() - self._began

    @property
    def left(self) -> float:
        """Seconds that an answer may still take; 0 when the time is over."""
        return max(0.0, self._timeout_s - self.seconds)

    @property
    def going(self) -> bool:
        """Whether to call (again)."""
        return self._failures <= self._retries and self.left > 0

    @property
    def reason(self) -> str:
        """Why there is no answer, in words."""
        if self._failures > self._retries:
            return f"{self._why}, {self._failures} times"
        return f"no verdict in {self._timeout_s:g} s" + (self._why and f": {self._why}")

    def failed(self, why: str) -> None:
        """The call failed."""
        self._failures += 1
        self._why = why

    def pushed_back(self, why: str) -> None:
        """The call was not taken."""
        self._why = why

    def timed_out(self) -> None:
        """The call was taken and not answered in time; what went wrong before it is not why."""
        self._why = ""

    def pause(self) -> float:
        """Seconds to wait before the next call: twice as long each time, never past the deadline."""
        if not self.going:
            return 0.0
        pause, self._pause_s = self._pause_s, min(2 * self._pause_s, LONGEST_PAUSE_S)
        return min(pause, self.left)
