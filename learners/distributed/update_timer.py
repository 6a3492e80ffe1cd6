"""Where a learner worker's wall time goes, from update to update."""

from __future__ import annotations

import time
from collections.abc import Callable

from actors.stopwatch import Stopwatch


class UpdateTimer(Stopwatch):
    """A stopwatch that is read at every update."""

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
