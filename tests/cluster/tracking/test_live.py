"""The ledger's events made into rows, notes and alarms."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from cluster.tracking.alarm import AlarmConfig, WatchConfig
from cluster.tracking.history import RunHistory
from cluster.tracking.judges import RunJudges
from cluster.tracking.live import LiveCurves
from cluster.tracking.progress import Progress
from cluster.tracking.rows import UpdateRows

JUDGES = RunJudges.from_yaml({"rewards": {"judges": {"heldout": {"kind": "heldout", "role": "audit"}}}})


def group(reward: float = 1.0, **metrics: float) -> dict[str, Any]:
    return {
        "images": 4,
        "reward": reward,
        "scores": {"clip": reward},
        "metrics": metrics,
        "seconds": {"rolling": 2.0, "judging": 0.5},
    }


def update(version: int, time: float, *groups: dict[str, Any], **stats: float) -> dict[str, Any]:
    return {"kind": "update", "version": version, "time": time, "groups": groups, "reward/mean": 0.5, **stats}


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"number": i, "time": float(i), **event} for i, event in enumerate(events, start=1)]


def test_a_row_speaks_of_the_groups_that_the_update_trained():
    rows = UpdateRows()
    assert rows.take({"kind": "group", "index": 2, **group(5.0)}) is None
    row = rows.take(update(1, 10.0, group(1.0), group(2.0), loss=0.1))
    assert row is not None
    assert row["judge/clip"] == pytest.approx(1.5)
    assert row["images"] == 8
    assert row["seconds/rolling"] == pytest.approx(4.0)
    assert row["loss"] == 0.1
    assert "images_per_s" not in row
    second = rows.take(
        update(2, 14.0, group(9.0), group(11.0)),
        crew=[{"elapsed_s": 5.0, "idle_share": 0.25}, {"elapsed_s": 5.0, "idle_share": 0.75}],
    )
    assert second is not None
    assert second["judge/clip"] == pytest.approx(10.0)
    assert second["images"] == 16
    assert second["images_per_s"] == pytest.approx(8 / 4)
    assert second["idle/actors"] == pytest.approx(0.5)


def test_a_row_has_the_mean_number_of_replicas_since_the_row_before():
    rows = UpdateRows()
    for number in (1, 1, 3, 3):
        rows.count({"slow": number})
    first, second = rows.take(update(1, 1.0)), rows.take(update(2, 2.0))
    assert first is not None
    assert second is not None
    assert first["slow/replicas"] == 2.0
    assert second["slow/replicas"] == 3.0


def test_a_row_says_how_the_judges_answer_all_actors_together():
    def actor(**judges: tuple[int, int, int, float]) -> dict[str, Any]:
        keys = ("calls", "failed", "pushed_back", "p95_s")
        return {"judges": {name: dict(zip(keys, seen, strict=True)) for name, seen in judges.items()}}

    crew = [actor(slow=(30, 3, 60, 2.5), new=(0, 0, 0, 0.0)), actor(slow=(10, 0, 0, 4.0)), {}]
    row = UpdateRows().take(update(1, 1.0), crew)
    assert row is not None
    assert {key: row[key] for key in row if key.startswith(("slow", "new"))} == {
        "slow/p95_s": 4.0,
        "slow/failed_share": pytest.approx(3 / 40),
        "slow/pushed_back_share": pytest.approx(60 / 40),
    }


def test_metrics_are_means_over_groups_and_missing_ones_are_left_out():
    rows = UpdateRows(images=100)
    groups = group(**{"heldout/animal": 1.0, "heldout/diversity": 0.4}), group(**{"heldout/animal": 0.5})
    row = rows.take(update(1, 1.0, *groups))
    assert row is not None
    assert row["heldout/animal"] == pytest.approx(0.75)
    assert row["heldout/diversity"] == pytest.approx(0.4)
    assert row["images"] == 108


def test_updates_that_a_resumed_ledger_tells_again_have_the_rate_that_they_had():
    rows = UpdateRows()
    taken = [
        rows.take(event)
        for event in (
            update(1, 10.0, group(), group()),
            update(2, 14.0, group(), group()),
            {"kind": "resume", "version": 2, "time": 9000.0},
            update(3, 9010.0, group(), group()),
            update(4, 9018.0, group(), group()),
        )
    ]
    assert [row and row.get("images_per_s") for row in taken] == [None, 2.0, None, None, 1.0]


class Book:
    """A writer that keeps what it is given."""

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


def test_events_are_taken_in_once_and_settled_updates_are_told():
    book = Book()
    live, out = curves(book)
    assert live.take(numbered(update(1, 1.0, group()), {"kind": "group"}), []) == [1]
    assert live.seen == 2
    assert live.take([{"number": 3, **update(2, 2.0, group())}], []) == [2]
    assert [row["update"] for row in book.rows] == [1, 2]
    assert "update 2/99" in out.getvalue()


def test_a_resumed_runs_ledger_is_heard_where_the_run_before_heard_nothing():
    book = Book()
    curves(book)[0].take(numbered(update(1, 1.0, group())), [])
    again = Book()
    resumed, _ = curves(again, RunHistory(book.rows))
    assert resumed.take(numbered(update(1, 1.0, group()), update(2, 1.0, group())), []) == [2]
    assert [row["update"] for row in again.rows] == [2]
    assert again.rows[0]["images"] == 8
    assert resumed.seen == 2


def test_a_restart_and_a_lost_group_are_said():
    book = Book()
    live, out = curves(book)
    drops = [{"kind": "drop", "prompt": "a cat", "reason": r} for r in ("actor died", "rolled back")]
    live.take(numbered(update(1, 1.0, group()), *drops, {"kind": "rollback", "version": 0}), [])
    assert book.rewinds == [0]
    assert "'a cat' is made again: actor died" in out.getvalue()
    assert "rolled back" not in out.getvalue()
    assert "restarted from its checkpoint at update 0" in out.getvalue()


def hacked(updates: int) -> list[dict[str, Any]]:
    """Reward up, the animals gone: one group an update."""
    events: list[dict[str, Any]] = []
    for i in range(updates):
        bad = i >= updates // 2
        made = group(**{"heldout/animal": 0.1 if bad else 0.9})
        events.append(update(i + 1, float(i), made) | {"reward/mean": 0.9 if bad else 0.2})
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
    resumed.take(numbered(update(25, 99.0, group(**{"heldout/animal": 0.1})) | {"reward/mean": 0.9}), [])
    assert again.alarms == resumed.alarms == []
    assert [alarm.key for alarm in live.alarms] == ["heldout/animal"], "what is to be acted on"
    assert again.rows[0]["images"] == book.rows[-1]["images"] + 4


def test_a_watched_metric_that_nobody_measures_is_named_once():
    watch = WatchConfig(key="heldout/anmal", by=0.1)
    live, out = curves(Book(), alarm=AlarmConfig(watch=(watch,)))
    live.take(hacked(4), [])
    said = out.getvalue()
    assert said.count("has no metric heldout/anmal; did you mean heldout/animal?") == 1


def test_an_alarm_that_should_act_and_has_no_metric_to_go_by_is_told_once():
    for on_alarm, told in (("stop", 1), ("warn", 0)):
        live, out = curves(Book(), alarm=AlarmConfig(on_alarm=on_alarm))
        live.take(numbered(update(1, 1.0, group()), update(2, 2.0, group())), [])
        assert out.getvalue().count("has nothing to go by") == told
    live, out = curves(Book(), alarm=AlarmConfig(on_alarm="stop"))
    live.take(hacked(4), [])
    assert "nothing to go by" not in out.getvalue()


def test_replicas_that_come_and_go_are_told():
    book = Book()
    live, out = curves(book)
    for number in (1, 1, 3):
        live.take([], [], {"slow": number, "jpeg": 1})
    live.take(numbered(update(1, 1.0, group())), [], {"slow": 3, "jpeg": 1})
    assert out.getvalue().count("replicas") == 1
    assert "judge slow: 1 → 3 replicas" in out.getvalue()
    assert (book.rows[0]["slow/replicas"], book.rows[0]["jpeg/replicas"]) == (2.0, 1.0)
