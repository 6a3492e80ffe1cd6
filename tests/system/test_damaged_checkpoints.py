"""Real runs go on from damaged folders and full disks, as a user resumes them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_run import finish, salon, updates_of, write_config

from learners.distributed.checkpoints import CheckpointStore

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def test_a_run_goes_on_from_the_newest_whole_checkpoint_and_ends_as_if_nothing_had_been(
    tiny_policy_dir: Path, tmp_path: Path
):
    config = write_config(tmp_path, tiny_policy_dir, updates=3)
    finish(salon(tmp_path, "train", str(config)))
    run = tmp_path / "runs" / "run"
    store = CheckpointStore(run)
    assert store.updates() == [3, 2]
    ended = json.loads((store.path(3) / "learner.json").read_text())

    # What Ray Train wrote in earlier releases, torn as a full disk tears it, and the newest checkpoint's ledger.
    (run / "learner" / "checkpoint_manager_snapshot.json").touch()
    (store.path(3) / "ledger.json").write_text('{"seed": 3, "gro')
    output = finish(salon(tmp_path, "train", "--resume", "runs/run"))
    assert "runs/run/learner/checkpoint_000003/ledger.json: is damaged" in output
    assert "going on from update 2, the newest checkpoint that is whole; what came after it, up to update 3" in output
    assert [row["update"] for row in updates_of(tmp_path)] == [1, 2, 3]
    assert json.loads((store.path(3) / "learner.json").read_text()) == ended, "update 3 is made again, bit for bit"
    assert store.newest().damaged == []

    for update in store.updates():
        (store.path(update) / "exp_avg.safetensors").write_bytes(b"")
    refused = salon(tmp_path, "train", "--resume", "runs/run", "--set", "updates=4")
    output, _ = refused.communicate(timeout=120)
    assert refused.returncode == 2
    (line,) = [line for line in output.splitlines() if line.startswith("salon: ")]
    assert "exp_avg.safetensors: is damaged, it has 0 bytes" in line
    assert "Traceback" not in output


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 250 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and os.geteuid() == 0
    if not mounted or subprocess.call(["mount", "-t", "tmpfs", "-o", "size=250k", "tmpfs", str(folder)]):
        pytest.skip("only the superuser can mount a small disk")
    yield folder
    subprocess.check_call(["umount", "-l", str(folder)])


def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    tiny_policy_dir: Path, tmp_path: Path, small_disk: Path
):
    config = write_config(tmp_path, tiny_policy_dir, updates=6, audit={"enabled": False})
    process = salon(tmp_path, "train", str(config), "--runs", "disk")
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    stopped, full = [line for line in output.splitlines() if line.startswith("salon: ")]
    assert stopped.startswith("salon: failed after update")
    assert stopped.endswith("continue with `salon train --resume disk/run`")
    assert "cannot be written (No space left on device): the disk that holds " in full
    assert not [*(small_disk / "run").rglob("*.part")]

    subprocess.check_call(["mount", "-o", "remount,size=20m", str(small_disk)])
    finish(salon(tmp_path, "train", "--resume", "disk/run"))
    shutil.copytree(small_disk / "run", tmp_path / "runs" / "run")
    assert [row["update"] for row in updates_of(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert CheckpointStore(small_disk / "run").newest().damaged == []
