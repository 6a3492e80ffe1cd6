"""The audit on disk: what is written, what a crash leaves, and what a restart takes out."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from actors.audit import Auditor, judged_pictures
from actors.config import AuditConfig
from actors.ticket import Ticket
from cluster.errors import RunStopped
from cluster.tracking.audit import Audit
from cluster.tracking.verdict_table import FOLDER, SCHEMA, VerdictTable, read_verdicts, verdict_files
from rewards.verdict import Verdict

PER_UPDATE, SAMPLES = 2, 3


def group(index: int, ticket: int, kind: str = "group", version: int = 0, config: AuditConfig | None = None):
    """A ledger's event of one judged group; the pictures follow from its index alone."""
    rng = np.random.default_rng(index)
    images = rng.integers(0, 256, (SAMPLES, 8, 8, 3), np.uint8)
    values = rng.random(SAMPLES)
    verdicts = {
        "clip": [Verdict("clip", "ok", float(v), {"near": 2.5}, version="c1", latency=0.25) for v in values],
        "art": [Verdict("art", "ok", 1 - float(v), text="No artifacts", version="a1") for v in values],
        "held": [Verdict("held", "error", text="it fell over", version="h1")] * SAMPLES,
    }
    rewards = values if kind == "group" else np.full(SAMPLES, np.nan)
    its = Ticket(ticket, index, 0, f"prompt {index}", (0,) * SAMPLES, 0)
    audit = Auditor(config or AuditConfig(), ["clip", "art"]).record(its, version, images, verdicts, rewards)
    return {"kind": kind, "index": index, "audit": audit}


def updates(audit: Audit, *numbers: int, first_ticket: int = 0) -> None:
    for number in numbers:
        for i in range(PER_UPDATE):
            index = (number - 1) * PER_UPDATE + i
            audit.take(group(index, first_ticket + index, version=number - 1))
        audit.take({"kind": "update", "version": number})


def rows(run: Path) -> list[dict[str, Any]]:
    return read_verdicts(run).to_pylist()


def keys(run: Path) -> list[tuple[int, int, int, str]]:
    return [(row["update"], row["ticket"], row["sample"], row["judge"]) for row in rows(run)]


def test_every_verdict_comes_back_from_disk_as_it_was_given(tmp_path: Path) -> None:
    with Audit(tmp_path, AuditConfig(), PER_UPDATE) as audit:
        audit.take(group(0, 4, "drop"))
        updates(audit, 1)
        images = np.zeros((2, 8, 8, 3), np.uint8)
        audit.evaluated(1, judged_pictures(images, ["x", "y"], {"clip": [Verdict("clip", "ok", 0.5)] * 2}, 1))
    table = pq.read_table(tmp_path / FOLDER / "verdicts-00001.parquet")
    assert table.schema.equals(SCHEMA)
    assert pq.read_metadata(tmp_path / FOLDER / "verdicts-00001.parquet").row_group(0).column(0).compression == "ZSTD"
    found = table.to_pylist()
    assert len(found) == 3 * SAMPLES * 3 + 2
    image = np.random.default_rng(0).integers(0, 256, (SAMPLES, 8, 8, 3), np.uint8)[0]
    first = next(row for row in found if (row["ticket"], row["judge"], row["sample"]) == (0, "clip", 0))
    assert first["image"] == hashlib.sha256(image.tobytes()).hexdigest()
    assert (first["prompt"], first["judge_version"], first["status"]) == ("prompt 0", "c1", "ok")
    assert (first["latency_s"], first["policy_version"], first["update"]) == (0.25, 0, 1)
    assert first["value"] == pytest.approx(first["reward"])
    assert first["scores"] == [("near", 2.5)]
    failed = next(row for row in found if row["judge"] == "held")
    assert (failed["value"], failed["text"], failed["status"]) == (None, "it fell over", "error")
    assert all(row["reward"] is None and row["update"] == 1 for row in found if row["ticket"] == 4)
    assert [(row["ticket"], row["prompt"], row["update"]) for row in found[-2:]] == [(None, "x", 1), (None, "y", 1)]


def test_files_from_before_a_column_was_added_are_still_read(tmp_path: Path) -> None:
    with Audit(tmp_path, AuditConfig(), PER_UPDATE) as audit:
        updates(audit, 1, 2)
    (path,) = verdict_files(tmp_path / FOLDER)
    pq.write_table(pq.read_table(path).drop_columns(["scores"]), path)
    with Audit(tmp_path, AuditConfig(), PER_UPDATE, start_at=1) as audit:
        updates(audit, 2)
    found = rows(tmp_path)
    assert [row["update"] for row in found] == [n for n in (1, 2) for _ in range(PER_UPDATE * SAMPLES * 3)]
    assert {tuple(row["scores"] or ()) for row in found if row["judge"] == "clip"} == {(), (("near", 2.5),)}
    assert all(row["scores"] is None for row in found if row["update"] == 1)


def test_thumbnails_are_few_stored_once_and_the_rows_name_them(tmp_path: Path) -> None:
    config = AuditConfig(best=1, worst=1, disputed=0, sample=0)
    with Audit(tmp_path, config, PER_UPDATE) as audit:
        updates(audit, 1, 2)
    named = {row["image"]: row["thumbnail"] for row in rows(tmp_path) if row["thumbnail"]}
    stored = {f"thumbnails/{path.name}" for path in (tmp_path / FOLDER / "thumbnails").iterdir()}
    assert set(named.values()) == stored
    assert len(stored) == 4
    for image, name in named.items():
        pixels = np.asarray(Image.open(io.BytesIO((tmp_path / FOLDER / name).read_bytes())))
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == image
    for number in (1, 2):
        of_update = [row for row in rows(tmp_path) if row["update"] == number]
        rewards = [row["reward"] for row in of_update]
        kept = {row["reward"] for row in of_update if row["thumbnail"]}
        assert kept == {min(rewards), max(rewards)}, "the best and the worst of both groups together"


def test_files_are_bounded_and_written_while_the_run_goes(tmp_path: Path) -> None:
    now = [0.0]
    audit = Audit(tmp_path, AuditConfig(file_rows=20, flush_s=10), PER_UPDATE, clock=lambda: now[0])
    updates(audit, 1)
    audit.tick()
    assert rows(tmp_path) == [], "not due"
    now[0] = 11.0
    audit.tick()
    until = time.monotonic() + 20
    while not rows(tmp_path) and time.monotonic() < until:
        time.sleep(0.01)
    assert len(rows(tmp_path)) == 18
    updates(audit, 2, 3)
    audit.close()
    audit.close()
    assert [pq.read_metadata(path).num_rows for path in verdict_files(tmp_path / FOLDER)] == [20, 20, 14]
    assert len(set(keys(tmp_path))) == 54


def test_what_waits_for_its_update_is_written_at_the_end(tmp_path: Path) -> None:
    with Audit(tmp_path, AuditConfig(), PER_UPDATE) as audit:
        audit.take(group(0, 0))
        assert not verdict_files(tmp_path / FOLDER)
    assert len(rows(tmp_path)) == SAMPLES * 3


def test_a_resumed_run_writes_new_files_and_no_row_twice(tmp_path: Path) -> None:
    with Audit(tmp_path, AuditConfig(file_rows=20), PER_UPDATE) as audit:
        updates(audit, 1, 2, 3)
        audit.take(group(6, 6))
    before = verdict_files(tmp_path / FOLDER)
    # The checkpoint was of update 1; the restored ledger gives out the tickets after it once more.
    with Audit(tmp_path, AuditConfig(file_rows=20), PER_UPDATE, start_at=1) as audit:
        updates(audit, 2, 3, 4)
    assert verdict_files(tmp_path / FOLDER)[-1].name > before[0].name
    assert sorted(keys(tmp_path)) == sorted(set(keys(tmp_path)))
    assert {row["update"] for row in rows(tmp_path)} == {1, 2, 3, 4}
    assert len(rows(tmp_path)) == 4 * 18
    with Audit(tmp_path, AuditConfig(), PER_UPDATE, start_at=4):
        pass
    assert len(rows(tmp_path)) == 4 * 18


def test_a_rollback_within_the_run_takes_out_what_it_undoes(tmp_path: Path) -> None:
    with Audit(tmp_path, AuditConfig(), PER_UPDATE) as audit:
        updates(audit, 1, 2)
        audit.take(group(4, 4))
        audit.take({"kind": "rollback", "version": 1})
        updates(audit, 2, first_ticket=100)
    assert {row["ticket"] for row in rows(tmp_path)} == {0, 1, 102, 103}


KILLED = """
import sys, time
from pathlib import Path
from actors.config import AuditConfig
from cluster.tracking.audit import Audit
from test_audit import updates
audit = Audit(Path(sys.argv[1]), AuditConfig(flush_s=0.001, file_rows=500), 2)
for number in range(1, 10_000):
    updates(audit, number)
    audit.tick()
"""


def test_kill_9_at_any_moment_leaves_whole_files_and_a_run_that_goes_on(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{os.environ['PYTHONPATH']}{os.pathsep}{Path(__file__).parent}"}
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], env=environment)
    until = time.monotonic() + 60
    while len(verdict_files(tmp_path / FOLDER)) < 3:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    numbers = [row["update"] for row in rows(tmp_path)]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, max(numbers) + 1)), "nothing is missing before the end"
    (tmp_path / FOLDER / "verdicts-00099.parquet.part").write_bytes(b"PAR1 half a file")
    with Audit(tmp_path, AuditConfig(), PER_UPDATE, start_at=10) as audit:
        updates(audit, 11)
    assert {row["update"] for row in rows(tmp_path)} == set(range(1, 12))
    assert len(keys(tmp_path)) == len(set(keys(tmp_path)))
    assert not list((tmp_path / FOLDER).glob("*.part"))


def test_a_disk_that_takes_nothing_ends_the_run_with_a_reason(tmp_path: Path) -> None:
    audit = Audit(tmp_path, AuditConfig(flush_s=1e-9), PER_UPDATE)
    (tmp_path / FOLDER / "verdicts-00001.parquet.part").mkdir()
    updates(audit, 1)
    with pytest.raises(RunStopped, match=r"the audit cannot be written \(.*audit\.enabled: false"):
        audit.close()


def test_a_run_without_an_audit_has_an_empty_table(tmp_path: Path) -> None:
    assert read_verdicts(tmp_path).num_rows == 0
    assert VerdictTable(tmp_path / FOLDER).folder.is_dir()
