"""What happens in a run, made visible while it happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cluster.alarm import hacking_alarms, watched_keys
from cluster.history import RunHistory
from cluster.progress import Progress
from cluster.rows import UpdateRows

# The ledger's words for what a restart does to tickets; the restart itself is told once.
RESTARTED = ("rolled back", "restored")


class Writer(Protocol):
    """What of `cluster.metrics.MetricsWriter` is needed here."""

    def update(self, update: int, figures: Mapping[str, float]) -> dict[str, Any]: ...

    def alarm(self, update: int, title: str, text: str) -> None: ...

    def rewind(self, update: int) -> None: ...


class LiveCurves:
    """Turns the ledger's events into rows, progress and alarms.

    consumes        events of the ledger in order, each once; the actors' statistics of the moment
    produces        one row per settled update in the writer; notes and alarms in the progress display

    `history` is what the run had before (a resumed run goes on with its curves and counts).
    """

    def __init__(
        self, groups_per_update: int, heldout: Sequence[str], writer: Writer, progress: Progress, history: RunHistory
    ) -> None:
        self.seen = 0
        """number of the last event that was taken in"""
        self._watched = watched_keys(heldout)
        self._writer, self._progress = writer, progress
        self._rows: list[Mapping[str, Any]] = list(history.updates)
        self._rung = {alarm.key for alarm in hacking_alarms(self._rows, self._watched)}
        images = self._rows[-1].get("images", 0) if self._rows else 0
        self._maker = UpdateRows(groups_per_update, int(images))

    def take(self, events: Sequence[Mapping[str, Any]], crew: Sequence[Mapping[str, Any]]) -> list[int]:
        """Takes events in and returns the updates that were settled by them."""
        settled: list[int] = []
        for event in events:
            self.seen = event["number"]
            row = self._maker.take(event, crew)
            if event["kind"] == "rollback":
                self._rewind(int(event["version"]))
            if event["kind"] == "drop" and event["reason"] not in RESTARTED:
                self._progress.note(f"a group of {event['prompt']!r} is made again: {event['reason']}")
            if row is not None:
                settled.append(int(event["version"]))
                self._show(settled[-1], row)
        return settled

    def _rewind(self, version: int) -> None:
        self._writer.rewind(version)
        self._rows = [row for row in self._rows if row["update"] <= version]
        self._progress.note(f"the learner restarted from its checkpoint at update {version}")

    def _show(self, update: int, row: dict[str, Any]) -> None:
        written = self._writer.update(update, row)
        self._rows.append(written)
        self._progress.update(written)
        for alarm in hacking_alarms(self._rows, self._watched):
            if alarm.key not in self._rung:
                self._rung.add(alarm.key)
                self._progress.alarm(f"This may be reward hacking. {alarm.text}")
                self._writer.alarm(update, "reward hacking?", alarm.text)
