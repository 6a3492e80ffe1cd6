# pyright: strict
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cluster.tracking.history import METRICS_FILE, RunHistory
from cluster.tracking.metrics import MetricsWriter


def writer(run: Path, **settings: Any) -> MetricsWriter:
    return MetricsWriter(run, **settings)


def lines(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / METRICS_FILE).read_text().splitlines()]


def test_rows_are_on_disk_before_the_writer_is_closed(tmp_path: Path) -> None:
    with writer(tmp_path) as metrics:
        numbers: dict[str, Any] = {"reward/mean": np.float32(0.5), "images": np.int64(64)}
        row = metrics.update(1, numbers)
        assert lines(tmp_path) == [row]
        assert row["reward/mean"] == 0.5
        assert row["images"] == 64


def test_what_json_cannot_say_becomes_null_and_has_no_place_in_a_series(tmp_path: Path) -> None:
    with writer(tmp_path) as metrics:
        metrics.update(1, {"reward/mean": float("nan"), "clip_fraction": float("inf")})
        metrics.update(2, {"reward/mean": 0.25})
    assert lines(tmp_path)[0]["reward/mean"] is None
    assert RunHistory.read(tmp_path).series("reward/mean") == ([2], [0.25])


def test_a_resumed_run_supersedes_what_lies_past_the_restored_update(tmp_path: Path) -> None:
    with writer(tmp_path) as metrics:
        metrics.evaluation("before", 0, {"heldout/animal": 0.8})
        for update in range(1, 6):
            metrics.update(update, {"reward/mean": update / 10})
        metrics.evaluation("5", 5, {"heldout/animal": 0.1})
    with writer(tmp_path, resumed_at=3) as metrics:
        metrics.update(4, {"reward/mean": 0.44})
    history = RunHistory.read(tmp_path)
    assert history.series("reward/mean") == ([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.44])
    assert [row["when"] for row in history.evaluations] == ["before"]
    assert len(history.resumes) == 1
    assert len(lines(tmp_path)) == 9, "nothing that was written is lost"


def test_the_last_row_of_an_update_counts(tmp_path: Path) -> None:
    with writer(tmp_path) as metrics:
        metrics.update(1, {"reward/mean": 0.1})
        metrics.update(1, {"reward/mean": 0.2})
    assert RunHistory.read(tmp_path).series("reward/mean") == ([1], [0.2])


def test_half_a_line_left_by_a_killed_process_spoils_no_other_row(tmp_path: Path) -> None:
    with writer(tmp_path) as metrics:
        metrics.update(1, {"reward/mean": 0.1})
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('{"kind": "update", "update": 2, "rewa')
    with writer(tmp_path, resumed_at=1) as metrics:
        metrics.update(2, {"reward/mean": 0.3})
    assert RunHistory.read(tmp_path).series("reward/mean") == ([1, 2], [0.1, 0.3])


def test_time_that_nobody_explains_is_shown(tmp_path: Path) -> None:
    now = iter([100.0, 110.0])
    with writer(tmp_path, clock=lambda: next(now)) as metrics:
        seconds = {"seconds/training": 5.0, "seconds/waiting": 2.0, "seconds/rolling": 8.0, "seconds/judging": 3.0}
        first = metrics.update(1, seconds)
        second = metrics.update(2, seconds)
    assert "seconds/wall" not in first, "there is no row before the first to measure from"
    assert second["seconds/wall"] == 10.0
    assert second["seconds/unaccounted"] == 3.0, "rolling and judging happen beside the learner"


def test_an_alarm_is_a_row_of_its_own(tmp_path: Path) -> None:
    with writer(tmp_path) as metrics:
        metrics.update(1, {"reward/mean": 0.1})
        row = metrics.alarm(1, "heldout/animal", "It fell.")
    last = json.loads((tmp_path / METRICS_FILE).read_text().splitlines()[-1])
    assert last == row
    assert (last["kind"], last["update"], last["key"], last["text"]) == ("alarm", 1, "heldout/animal", "It fell.")
