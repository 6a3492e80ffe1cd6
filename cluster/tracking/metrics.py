# pyright: strict
"""The writer of a run's metrics: `metrics.jsonl`, and the run's trackers."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from cluster.tracking.history import METRICS_FILE, PLAIN, SAMPLING, is_number
from cluster.tracking.trackers.tracker import Tracker
from rewards.errors import first_line
from rewards.storage_error import writing

# The actors work while the learner does: their seconds overlap with the wall time of an update.
ACTOR_SECONDS = frozenset({"seconds/rolling", "seconds/judging"})
WALL_SECONDS = frozenset({"seconds/wall", "seconds/unaccounted"})


class MetricsWriter:
    """Writes rows to `RUN/metrics.jsonl` and gives the same numbers to `trackers`; one in each run, in its driver.

    The file is append-only, one JSON object a line, flushed at every row; NaN and infinities become null. A resumed run
    (`resumed_at`: the update that was restored) continues the same file: a `resume` row supersedes what lies past the
    restored update (see `RunHistory`). A tracker that fails is let go, with a line on stderr: the file has everything.
    """

    def __init__(
        self,
        run_dir: Path,
        trackers: Sequence[Tracker] = (),
        *,
        resumed_at: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.run_dir = run_dir
        self._clock = clock
        self._last_update_at: float | None = None
        run_dir.mkdir(parents=True, exist_ok=True)
        self._trackers = list(trackers)
        with writing(run_dir / METRICS_FILE):
            # Without a buffer, which would be written by and by, and in part, when there is room again.
            self._file = (run_dir / METRICS_FILE).open("ab+", buffering=0)
        self._end_torn_line()
        if resumed_at is not None:
            self.rewind(resumed_at)

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=kind is not None)

    def update(self, update: int, metrics: Mapping[str, float]) -> dict[str, Any]:
        """Writes the metrics of one update (1 is the first) and returns the row.

        `seconds/unaccounted` is added, what no `seconds/*` of the learner explains of `seconds/wall`, the time since
        the update before: time lost between the parts is seen rather than hidden. Where `metrics` do not say
        `seconds/wall`, it is the time since the row before.
        """
        now = self._clock()
        row: dict[str, Any] = _finite({"kind": "update", "update": update, "time": now, **metrics})
        if self._last_update_at is not None and "seconds/wall" not in row:
            row["seconds/wall"] = now - self._last_update_at
        if "seconds/wall" in row:
            row["seconds/unaccounted"] = max(0.0, row["seconds/wall"] - learner_seconds(row))
        self._last_update_at = now
        return self._write(row, {key: value for key, value in row.items() if is_number(value) and key != "time"})

    def evaluation(self, when: str, update: int, metrics: Mapping[str, Any], *, plain: bool = False) -> dict[str, Any]:
        """Writes an evaluation made `when` (`before`, `after` or the number of an update) and returns the row; `plain`:
        of pictures that plain diffusers drew."""
        metrics = _finite(metrics)
        numbers = {f"plain/{key}" if plain else key: value for key, value in metrics.items() if is_number(value)}
        row = self._write(
            {
                "kind": "evaluation",
                "when": when,
                "update": update,
                "time": self._clock(),
                **({SAMPLING: PLAIN} if plain else {}),
                **metrics,
            },
            {f"evaluation/{key}": value for key, value in numbers.items()},
        )
        self._tell(lambda tracker: tracker.summarise(when, update, numbers))
        return row

    def pictures(self, when: str, update: int, path: Path) -> None:
        """Has the trackers show the picture file at `path` (a sample grid)."""
        self._tell(lambda tracker: tracker.picture(update, path, f"{when} (update {update})"))

    def alarm(self, update: int, key: str, text: str) -> dict[str, Any]:
        """Writes that the metric `key` rang the alarm after `update`, has the trackers say so, and returns the row."""
        row = self._write({"kind": "alarm", "update": update, "time": self._clock(), "key": key, "text": text}, {})
        self._tell(lambda tracker: tracker.alert(update, key, text))
        return row

    def rewind(self, update: int) -> None:
        """Writes that training went back to its state after `update`: rows past it are superseded."""
        self._last_update_at = None
        self._write({"kind": "resume", "update": update, "time": self._clock()}, {})

    def close(self, *, failed: bool = False) -> None:
        """Closes the trackers and the file. Closing twice does no harm."""
        self._tell(lambda tracker: tracker.close(failed=failed))
        self._trackers = []
        self._file.close()

    def _write(self, row: dict[str, Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
        self._append(json.dumps(row, allow_nan=False) + "\n")
        if numbers:
            self._tell(lambda tracker: tracker.log(row["update"], numbers))
        return row

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        for tracker in list(self._trackers):
            try:
                what(tracker)
            except Exception as error:  # whatever others' programs raise
                self._trackers.remove(tracker)
                print(f"salon: {type(tracker).__name__} is let go: {first_line(error)}", file=sys.stderr)

    def _append(self, text: str) -> None:
        """Writes all of `text` or, raising StorageError, nothing of it."""
        data, end = text.encode(), self._file.seek(0, os.SEEK_END)
        with writing(self.run_dir / METRICS_FILE):
            try:
                while data:
                    data = data[self._file.write(data) :]
            except OSError:
                self._file.truncate(end)
                raise

    def _end_torn_line(self) -> None:
        """Ends the half row of a process that was killed while writing, so that the next row has a line of its own."""
        if self._file.seek(0, os.SEEK_END) and self._file.seek(-1, os.SEEK_END) and self._file.read(1) != b"\n":
            self._append("\n")


def learner_seconds(row: Mapping[str, Any]) -> float:
    """The learner's seconds in an update row: every `seconds/*` but those of the actors and the wall."""
    return sum(
        value
        for key, value in row.items()
        if key.startswith("seconds/") and key not in ACTOR_SECONDS | WALL_SECONDS and is_number(value)
    )


def _finite(value: Any) -> Any:
    """`value` with numpy scalars as plain numbers, and NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in cast("Sequence[Any]", value)]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
