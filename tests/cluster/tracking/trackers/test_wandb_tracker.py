# pyright: strict
"""What W&B gets, and what is said when it cannot be used."""

from __future__ import annotations

import contextlib
import json
import struct
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import wandb
from google.protobuf.message import DecodeError
from PIL import Image
from wandb.errors import AuthenticationError

from cluster.errors import PreflightError
from cluster.tracking.history import METRICS_FILE, TRACKING_FILE
from cluster.tracking.metrics import MetricsWriter
from cluster.tracking.trackers.wandb_tracker import WandbMode, wandb_mode
from cluster.tracking.tracking import TrackingConfig, open_trackers


def writer(run: Path, mode: WandbMode, updates: int = 2, resumed_at: int | None = None) -> MetricsWriter:
    trackers = open_trackers(TrackingConfig(wandb=mode), run, "test", {"updates": updates}, resumed_at)
    return MetricsWriter(run, trackers, resumed_at=resumed_at)


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
        writer(tmp_path, "auto")
    assert "\n" not in str(refused.value)
    assert "too-short" not in str(refused.value)

    def init(**settings: object) -> None:
        raise AuthenticationError("too-short-for-a-key is unknown\nsee wandb.login()")

    monkeypatch.setattr(wandb, "init", init)
    with pytest.raises(PreflightError, match=r"\(… is unknown\); put"):
        writer(tmp_path, "online")


def test_disabled_tracking_leaves_nothing_of_wandb_behind(tmp_path: Path) -> None:
    with writer(tmp_path, "disabled") as metrics:
        metrics.update(1, {"reward/mean": 0.1})
    assert sorted(path.name for path in tmp_path.iterdir()) == [METRICS_FILE]


def test_wandb_gets_the_same_numbers_by_update_and_a_resumed_run_keeps_its_id(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "grid.png")
    with writer(tmp_path, "offline") as metrics:
        first_id = json.loads((tmp_path / TRACKING_FILE).read_text())["wandb_id"]
        metrics.pictures("before", 0, tmp_path / "grid.png")
        metrics.update(1, {"reward/mean": 0.1, "judge/clip": float("nan")})
        metrics.alarm(1, "heldout/animal", "only a test")
    with writer(tmp_path, "offline", 4, resumed_at=1) as metrics:
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
