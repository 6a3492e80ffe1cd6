# pyright: strict
from __future__ import annotations

import contextlib
import json
import struct
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from google.protobuf.message import DecodeError
from PIL import Image
from wandb.errors import AuthenticationError

from cluster.errors import PreflightError
from cluster.tracking.history import METRICS_FILE, RunHistory
from cluster.tracking.metrics import TRACKING_FILE, MetricsWriter, wandb_mode


def writer(run: Path, **settings: object) -> MetricsWriter:
    return MetricsWriter(run, name="test", **{"wandb": "disabled", **settings})  # type: ignore[arg-type]


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


def test_wandb_is_offline_without_a_key_and_as_configured_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert wandb_mode("auto") == "offline"
    assert wandb_mode("online") == "online"
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert wandb_mode("auto") == "online"
    assert wandb_mode("offline") == "offline"
    assert wandb_mode("disabled") == "disabled"


def test_a_key_that_wandb_refuses_is_told_in_one_line_without_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "too-short-for-a-key")
    with pytest.raises(
        PreflightError, match=r"^tracking\.wandb: W&B cannot be used online \(.+WANDB_API_KEY"
    ) as refused:
        writer(tmp_path, wandb="auto")
    assert "\n" not in str(refused.value)
    assert "too-short" not in str(refused.value)

    def init(**settings: object) -> None:
        raise AuthenticationError("too-short-for-a-key is unknown\nsee wandb.login()")

    monkeypatch.setattr(wandb, "init", init)
    with pytest.raises(PreflightError, match=r"\(… is unknown\); put"):
        writer(tmp_path, wandb="online")


def test_disabled_tracking_leaves_nothing_of_wandb_behind(tmp_path: Path) -> None:
    with writer(tmp_path) as metrics:
        metrics.update(1, {"reward/mean": 0.1})
    assert sorted(path.name for path in tmp_path.iterdir()) == [METRICS_FILE]


def test_wandb_gets_the_same_numbers_by_update_and_a_resumed_run_keeps_its_id(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "grid.png")
    with writer(tmp_path, wandb="offline", config={"updates": 2}) as metrics:
        first_id = json.loads((tmp_path / TRACKING_FILE).read_text())["wandb_id"]
        metrics.pictures("before", 0, tmp_path / "grid.png")
        metrics.update(1, {"reward/mean": 0.1, "judge/clip": float("nan")})
        metrics.alarm(1, "heldout/animal", "only a test")
    with writer(tmp_path, wandb="offline", config={"updates": 4}, resumed_at=1) as metrics:
        assert first_id == json.loads((tmp_path / TRACKING_FILE).read_text())["wandb_id"]
        metrics.update(2, {"reward/mean": 0.2})

    ids: set[str] = set()
    axes: dict[str, str] = {}
    points: defaultdict[str, list[Any]] = defaultdict(list)
    for file in sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb")):
        for record in finished_records(file):
            match record.WhichOneof("record_type"):
                case "run":
                    ids.add(record.run.run_id)
                case "metric":
                    axes[record.metric.name or record.metric.glob_name] = record.metric.step_metric
                case "alert":
                    points["alerts"].append(record.alert.text)
                case "history":
                    items = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
                    kind = "pictures" if "pictures/path" in items or "pictures" in items else "rows"
                    points["alarms" if "alarm/heldout/animal" in items else kind].append(items)
                case _:
                    pass
    assert ids == {first_id}
    assert axes["*"] == "update"
    assert [(row["update"], row["reward/mean"]) for row in points["rows"]] == [(1, 0.1), (2, 0.2)]
    assert "judge/clip" not in points["rows"][0], "a number that is none is left out rather than drawn"
    assert len(points["pictures"]) == 1
    assert [row["update"] for row in points["alarms"]] == [1]
    assert points["alerts"] == ["update 1: only a test"], "it is sent when the run is synchronised"


def test_an_alarm_is_a_row_of_its_own(tmp_path: Path) -> None:
    with writer(tmp_path) as metrics:
        metrics.update(1, {"reward/mean": 0.1})
        row = metrics.alarm(1, "heldout/animal", "It fell.")
    last = json.loads((tmp_path / METRICS_FILE).read_text().splitlines()[-1])
    assert last == row
    assert (last["kind"], last["update"], last["key"], last["text"]) == ("alarm", 1, "heldout/animal", "It fell.")


def finished_records(file: Path, seconds: float = 60) -> list[Any]:
    """The records of a run that was finished: on a busy machine, W&B's own process writes the last of them later."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(DecodeError):  # half a record
            found = wandb_records(file)
            if any(record.WhichOneof("record_type") == "exit" for record in found):
                return found
        assert time.monotonic() < until, f"{file} never ended"
        time.sleep(0.1)


def wandb_records(file: Path) -> list[Any]:
    """The records of an offline W&B run: protobuf messages in LevelDB's log format behind a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2  # generated, without types
    data, at, parts = file.read_bytes(), 7, b""
    records: list[Any] = []
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # the rest of a block that is too short for a header is padding
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = messages.Record()
            record.ParseFromString(parts)
            records.append(record)
            parts = b""
    return records
