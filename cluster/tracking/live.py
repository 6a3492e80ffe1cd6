# pyright: strict
"""A run while it goes: the ledger's events as update rows, notes and alarms."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from cluster.tracking.alarm import Alarm, AlarmConfig, find_alarms
from cluster.tracking.audit import Audit
from cluster.tracking.failing_judges import FailingJudges
from cluster.tracking.history import RunHistory
from cluster.tracking.judges import RunJudges
from cluster.tracking.progress import Progress
from cluster.tracking.rows import UpdateRows

RESTARTED = ("rolled back", "restored")
"""reasons of the ledger for groups that a restart drops; the restart has a note of its own"""


class Writer(Protocol):
    """The methods of `cluster.tracking.metrics.MetricsWriter` that are needed here."""

    def update(self, update: int, metrics: Mapping[str, float]) -> dict[str, Any]: ...

    def alarm(self, update: int, key: str, text: str) -> dict[str, Any]: ...

    def rewind(self, update: int) -> None: ...


class LiveCurves:
    """Turns the ledger's events into update rows, progress and alarms, and passes them on to the audit.

    consumes        events of the ledger in order, each once; the actors' statistics and the judges' replicas of the
                    moment
    produces        one row per settled update in the writer; notes and alarms in the progress display

    `history` is the run's own so far: a resumed run goes on with its curves and counts.
    """

    def __init__(
        self,
        judges: RunJudges,
        writer: Writer,
        progress: Progress,
        history: RunHistory,
        alarm: AlarmConfig | None = None,
        audit: Audit | None = None,
    ) -> None:
        self.seen = 0
        """number of the last event that was taken in"""
        self.alarms: list[Alarm] = []
        """the alarms that rang, without those that rang before the run was resumed"""
        self._judges, self._alarm = judges, alarm or AlarmConfig()
        self._writer, self._progress, self._audit = writer, progress, audit
        self._rows: list[Mapping[str, Any]] = list(history.updates)
        self._rung = {alarm.key for alarm in self._all_alarms()}
        images = self._rows[-1].get("images", 0) if self._rows else 0
        self._update_rows = UpdateRows(int(images))
        self._replicas: dict[str, int] = {}
        self._failing = FailingJudges(judges.audit)

    def take(
        self,
        events: Sequence[Mapping[str, Any]],
        crew: Sequence[Mapping[str, Any]],
        replicas: Mapping[str, int] | None = None,
    ) -> list[int]:
        """Takes events in and returns the updates that they settled."""
        settled: list[int] = []
        self._count(replicas or {})
        for event in events:
            self._take(event, crew, settled)
            # Only now: what could not be written must be told again, to a run that goes on.
            self.seen = event["number"]
        if self._audit is not None:
            self._audit.tick()
        return settled

    def _take(self, event: Mapping[str, Any], crew: Sequence[Mapping[str, Any]], settled: list[int]) -> None:
        if not self._is_written(event):
            row = self._update_rows.take(event, crew)
            if self._audit is not None:
                self._audit.take(event)
            self._note(self._failing.take(event))
            if event["kind"] == "rollback":
                self._rewind(int(event["version"]))
            if event["kind"] == "drop" and event["reason"] not in RESTARTED:
                self._progress.note(f"a group of {event['prompt']!r} is made again: {event['reason']}")
            if row is not None:
                settled.append(int(event["version"]))
                self._show(settled[-1], row)

    def _is_written(self, event: Mapping[str, Any]) -> bool:
        """Whether the row of this update is there: a resumed run's ledger repeats the events that may have been lost
        when the run ended."""
        return event["kind"] == "update" and bool(self._rows) and event["version"] <= self._rows[-1]["update"]

    def _count(self, replicas: Mapping[str, int]) -> None:
        self._update_rows.count(replicas)
        for judge, number in replicas.items():
            before = self._replicas.get(judge, number)
            if number != before:
                self._progress.note(f"judge {judge}: {before} → {number} replicas")
            self._replicas[judge] = number

    def _note(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._progress.alarm(line)

    def _rewind(self, version: int) -> None:
        self._writer.rewind(version)
        self._rows = [row for row in self._rows if row["update"] <= version]
        self._progress.note(f"the learner restarted from its checkpoint at update {version}")

    def _show(self, update: int, row: dict[str, Any]) -> None:
        self._note(self._failing.take_row(row))
        written = self._writer.update(update, row)
        self._rows.append(written)
        self._progress.update(written)
        if len(self._rows) == 1:
            self._name_what_is_missing(written)
        for alarm in self._all_alarms():
            if alarm.key not in self._rung:
                self._rung.add(alarm.key)
                self.alarms.append(alarm)
                self._progress.alarm(alarm.warning)
                self._writer.alarm(update, alarm.key, alarm.text)

    def _all_alarms(self) -> list[Alarm]:
        return find_alarms(self._rows, self._judges, self._alarm)

    def _name_what_is_missing(self, row: Mapping[str, Any]) -> None:
        """An alarm on a metric that is not measured would stay silent for ever."""
        if self._alarm.on_alarm != "warn" and not any(w.key in row for w in self._alarm.watched(self._judges)):
            self._progress.note(
                f"alarm.on_alarm: {self._alarm.on_alarm} has nothing to go by: the audit judges measure none of the "
                "metrics that are watched; name others in alarm.watch"
            )
        for watch in self._alarm.watch:
            if watch.key not in row:
                near = difflib.get_close_matches(watch.key, row, n=1)
                meant = f"; did you mean {near[0]}?" if near else ""
                self._progress.note(f"alarm.watch: update {row['update']} has no metric {watch.key}{meant}")
