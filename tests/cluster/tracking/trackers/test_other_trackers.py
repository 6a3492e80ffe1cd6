# pyright: strict
"""What TensorBoard and trackio get: the numbers that metrics.jsonl has, over a resume, too."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cluster.errors import PreflightError
from cluster.tracking.history import METRICS_FILE
from cluster.tracking.metrics import MetricsWriter
from cluster.tracking.tracking import TrackingConfig, open_trackers


def record(run: Path, settings: TrackingConfig) -> None:
    """Two updates, a picture and an alarm; the second update is made again after a resume."""
    run.mkdir()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(run / "grid.png")
    with MetricsWriter(run, open_trackers(settings, run, "test", {"updates": 2})) as metrics:
        metrics.pictures("before", 0, run / "grid.png")
        metrics.evaluation("before", 0, {"held/free": 0.5})
        metrics.update(1, {"reward/mean": 0.1, "judge/clip": float("nan")})
        metrics.update(2, {"reward/mean": 0.9})
    with MetricsWriter(run, open_trackers(settings, run, "test", {"updates": 2}, 1), resumed_at=1) as metrics:
        metrics.update(2, {"reward/mean": 0.2})
        metrics.alarm(2, "held/free", "It fell.")


def test_tensorboard_shows_scalars_pictures_and_alarms(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reader: Any = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    record(tmp_path / "run", TrackingConfig(wandb="disabled", tensorboard=True))
    events = reader.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [(e.step, pytest.approx(e.value)) for e in events.Scalars("reward/mean")] == [(1, 0.1), (2, 0.2)]
    assert [(e.step, e.value) for e in events.Scalars("evaluation/held/free")] == [(0, 0.5)]
    assert [(e.step, e.value) for e in events.Scalars("alarm/held/free")] == [(2, 1.0)]
    assert len(events.Images("pictures")) == 1
    assert "judge/clip" not in events.Tags()["scalars"], "a number that is none is left out"
    assert capfd.readouterr().out == ""


def test_trackio_keeps_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import trackio.sqlite_storage
    import trackio.utils

    monkeypatch.setattr(trackio.utils, "TRACKIO_DIR", tmp_path / "store")
    monkeypatch.setattr(trackio.sqlite_storage, "TRACKIO_DIR", tmp_path / "store")
    storage: Any = trackio.sqlite_storage.SQLiteStorage
    record(tmp_path / "run", TrackingConfig(wandb="disabled", trackio=True, project="here"))
    run_id = json.loads((tmp_path / "run" / "tracking.json").read_text())["wandb_id"]
    rows = storage.get_logs("here", f"test-{run_id}")
    assert [(row["step"], row["reward/mean"]) for row in rows if "reward/mean" in row] == [(1, 0.1), (2, 0.9), (2, 0.2)]
    assert [row["step"] for row in rows if "alarm/held/free" in row] == [2]
    assert len([row for row in rows if "pictures" in row]) == 1
    assert capfd.readouterr() == ("", "")


def test_a_tracker_that_is_not_installed_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "trackio", None)
    settings = TrackingConfig(wandb="disabled", tensorboard=True, trackio=True)
    with pytest.raises(PreflightError) as refused:
        open_trackers(settings, tmp_path / "run", "test", {})
    first, second = str(refused.value).splitlines()
    assert first.startswith("tracking.tensorboard: tensorboard is not installed; `pip install 'salon[tensorboard]'`")
    assert second.startswith("tracking.trackio: ")
    assert not (tmp_path / "run").exists()


class Failing:
    """A tracker whose service is gone."""

    def log(self, update: int, numbers: Any) -> None:
        raise ConnectionError("its service is gone")

    summarise = picture = alert = close = log


def test_a_tracker_that_fails_is_let_go_and_nothing_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trackers: list[Any] = [Failing()]
    with MetricsWriter(tmp_path, trackers) as metrics:
        metrics.update(1, {"reward/mean": 0.1})
        metrics.update(2, {"reward/mean": 0.2})
    assert capsys.readouterr().err == "salon: Failing is let go: ConnectionError: its service is gone\n"
    assert len((tmp_path / METRICS_FILE).read_text().splitlines()) == 2
