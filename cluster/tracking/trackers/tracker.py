# pyright: strict
"""The tracker: what a run's curves are sent to besides `metrics.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Tracker(Protocol):
    """A service or a file format for curves. `MetricsWriter` gives every one of them the same."""

    def log(self, update: int, numbers: Mapping[str, float]) -> None:
        """Takes the metrics of an update, by name; `update` is the x axis."""
        ...

    def summarise(self, when: str, update: int, numbers: Mapping[str, float]) -> None:
        """Takes the metrics of the evaluation made `when`, after `update`, for what shows a run in a line."""
        ...

    def picture(self, update: int, path: Path, caption: str) -> None:
        """Shows the picture file at `path`."""
        ...

    def alert(self, update: int, key: str, text: str) -> None:
        """Tells those who watch that the metric `key` rang the alarm."""
        ...

    def close(self, *, failed: bool) -> None:
        """Sends what is left; `failed`: the run ended with an error."""
        ...
