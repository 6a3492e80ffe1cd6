# pyright: strict
"""A row for which there is no room is not there, not half of it either; and a tracking file that says nothing."""

from __future__ import annotations

import json
import re
import resource
from pathlib import Path

import pytest

from cluster.errors import PreflightError
from cluster.tracking.history import METRICS_FILE, TRACKING_FILE, RunHistory
from cluster.tracking.metrics import MetricsWriter
from cluster.tracking.tracking import TrackingConfig, open_trackers
from rewards.storage_error import StorageError


def test_a_row_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with MetricsWriter(tmp_path) as writer:
        writer.update(1, {"reward/mean": 1.0})
        size = (tmp_path / METRICS_FILE).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
        try:
            with pytest.raises(StorageError, match=r"metrics.jsonl: cannot be written \(File too large\)"):
                writer.update(2, {"reward/mean": 1.0})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (tmp_path / METRICS_FILE).stat().st_size == size
        writer.update(2, {"reward/mean": 2.0})
    history = RunHistory.read(tmp_path)
    assert [row["reward/mean"] for row in history.updates] == [1.0, 2.0]
    assert not history.damaged


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{}", "there is no wandb_id in it"),
        (b"[]", "there is no wandb_id in it"),
        (b'{"wandb_id": 7}', "there is no wandb_id in it"),
        (b"", "it is no JSON"),
        (b'{"wandb_id": "a1', "it is no JSON"),
        (b"\xff\x00", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
    ],
)
def test_a_tracking_file_that_says_nothing_is_named_before_anything_starts(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / TRACKING_FILE).write_bytes(content)
    said = re.escape(f"{tmp_path / TRACKING_FILE}: is damaged ({why}); remove it, and this run goes on as a new one")
    with pytest.raises(PreflightError, match=said):
        open_trackers(TrackingConfig(wandb="offline"), tmp_path, "run", {})
    with MetricsWriter(tmp_path, open_trackers(TrackingConfig(wandb="disabled"), tmp_path, "run", {})) as writer:
        writer.update(1, {})
    assert json.loads((tmp_path / METRICS_FILE).read_text())["update"] == 1
