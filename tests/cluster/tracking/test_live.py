# pyright: strict
"""The ledger's events made into rows, notes and alarms."""

from __future__ import annotations

import io
from typing import Any

import pytest
from ledgers import group_summary, update_event
from rich.console import Console

from cluster.tracking.alarm import AlarmConfig, WatchConfig
from cluster.tracking.history import RunHistory
from cluster.tracking.judges import RunJudges
from cluster.tracking.live import LiveCurves
from cluster.tracking.progress import Progress
from rewards.storage_error import StorageError

JUDGES = RunJudges.from_yaml(
    {"rewards": {"judges": {"heldout": {"kind": "menagerie.heldout_judge:HeldoutJudge", "role": "audit"}}}}
)


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"number": i, "time": float(i), **event} for i, event in enumerate(events, start=1)]


class Book:
    """A writer that keeps its rows."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.alarms: list[str] = []
        self.rewinds: list[int] = []

    def update(self, update: int, metrics: Any) -> dict[str, Any]:
        self.rows.append({"kind": "update", "update": update, **metrics})
        return self.rows[-1]

    def alarm(self, update: int, key: str, text: str) -> dict[str, Any]:
        self.alarms.append(text)
        return {"kind": "alarm", "update": update, "key": key, "text": text}

    def rewind(self, update: int) -> None:
        self.rewinds.append(update)


def curves(
    book: Book, history: RunHistory | None = None, alarm: AlarmConfig | None = None
) -> tuple[LiveCurves, io.StringIO]:
    out = io.StringIO()
    progress = Progress("test", 99, audit_judges=JUDGES.audit, console=Console(file=out, width=200))
    return LiveCurves(JUDGES, book, progress, history or RunHistory([]), alarm), out


def test_events_are_taken_in_once_and_settled_updates_are_shown():
    book = Book()
    live, out = curves(book)
    assert live.take(numbered(update_event(1, 1.0, group_summary()), {"kind": "group"}), []) == [1]
    assert live.seen == 2
    assert live.take([{"number": 3, **update_event(2, 2.0, group_summary())}], []) == [2]
    assert [row["update"] for row in book.rows] == [1, 2]
    assert "update 2/99" in out.getvalue()


def test_a_resumed_run_takes_in_only_the_updates_that_the_run_before_did_not():
    book = Book()
    curves(book)[0].take(numbered(update_event(1, 1.0, group_summary())), [])
    again = Book()
    resumed, _ = curves(again, RunHistory(book.rows))
    events = numbered(update_event(1, 1.0, group_summary()), update_event(2, 1.0, group_summary()))
    assert resumed.take(events, []) == [2]
    assert [row["update"] for row in again.rows] == [2]
    assert again.rows[0]["images"] == 8
    assert resumed.seen == 2


def test_a_restart_and_a_lost_group_are_noted():
    book = Book()
    live, out = curves(book)
    drops = [{"kind": "drop", "prompt": "a cat", "reason": r} for r in ("actor died", "rolled back")]
    live.take(numbered(update_event(1, 1.0, group_summary()), *drops, {"kind": "rollback", "version": 0}), [])
    assert book.rewinds == [0]
    assert "'a cat' is made again: actor died" in out.getvalue()
    assert "rolled back" not in out.getvalue()
    assert "restarted from its checkpoint at update 0" in out.getvalue()


def hacked(updates: int) -> list[dict[str, Any]]:
    """Reward up, the animals gone: one group an update."""
    events: list[dict[str, Any]] = []
    for i in range(updates):
        bad = i >= updates // 2
        made = group_summary(**{"heldout/animal": 0.1 if bad else 0.9})
        events.append(update_event(i + 1, float(i), made) | {"reward/mean": 0.9 if bad else 0.2})
    return numbered(*events)


def test_hacking_rings_once_and_a_resumed_run_does_not_ring_again():
    book = Book()
    live, out = curves(book)
    live.take(hacked(24), [])
    assert len(book.alarms) == 1
    assert "heldout/animal fell from 0.9 to" in book.alarms[0]
    assert "This may be reward hacking" in out.getvalue()
    again = Book()
    resumed, _ = curves(again, RunHistory(book.rows))
    resumed.take(numbered(update_event(25, 99.0, group_summary(**{"heldout/animal": 0.1})) | {"reward/mean": 0.9}), [])
    assert again.alarms == resumed.alarms == []
    assert [alarm.key for alarm in live.alarms] == ["heldout/animal"], "what is to be acted on"
    assert again.rows[0]["images"] == book.rows[-1]["images"] + 4


def test_a_watched_metric_that_nobody_measures_is_named_once():
    watch = WatchConfig(key="heldout/anmal", by=0.1)
    live, out = curves(Book(), alarm=AlarmConfig(watch=(watch,)))
    live.take(hacked(4), [])
    said = out.getvalue()
    assert said.count("has no metric heldout/anmal; did you mean heldout/animal?") == 1


def test_an_alarm_that_should_act_and_has_no_metric_to_go_by_is_noted_once():
    for alarm, told in ((AlarmConfig(on_alarm="stop"), 1), (AlarmConfig(on_alarm="warn"), 0)):
        live, out = curves(Book(), alarm=alarm)
        live.take(numbered(update_event(1, 1.0, group_summary()), update_event(2, 2.0, group_summary())), [])
        assert out.getvalue().count("has nothing to go by") == told
    live, out = curves(Book(), alarm=AlarmConfig(on_alarm="stop"))
    live.take(hacked(4), [])
    assert "nothing to go by" not in out.getvalue()


def test_replicas_that_come_and_go_are_noted():
    book = Book()
    live, out = curves(book)
    for number in (1, 1, 3):
        live.take([], [], {"slow": number, "jpeg": 1})
    live.take(numbered(update_event(1, 1.0, group_summary())), [], {"slow": 3, "jpeg": 1})
    assert out.getvalue().count("replicas") == 1
    assert "judge slow: 1 → 3 replicas" in out.getvalue()
    assert (book.rows[0]["slow/replicas"], book.rows[0]["jpeg/replicas"]) == (2.0, 1.0)


class FullBook(Book):
    """A writer that has room for one row."""

    def update(self, update: int, metrics: Any) -> dict[str, Any]:
        if self.rows:
            raise StorageError("metrics.jsonl: cannot be written")
        return super().update(update, metrics)


def test_an_update_that_could_not_be_written_is_not_taken_for_seen():
    live, _ = curves(FullBook())
    with pytest.raises(StorageError):
        live.take(numbered(*(update_event(n, float(n), group_summary()) for n in (1, 2, 3))), [])
    assert live.seen == 1, "the ledger keeps the others, and its checkpoints have them for the run that goes on"
