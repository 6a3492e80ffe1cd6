# pyright: strict
"""A run's directory belongs to one process."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.errors import PreflightError, RunBusyError
from cluster.run.run_lock import LOCK_FILE, run_lock


def test_a_second_process_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    busy = pytest.raises(RunBusyError, match="another process is writing")
    with run_lock(tmp_path / "run"), busy, run_lock(tmp_path / "run"):
        pass
    with run_lock(tmp_path / "run"):
        pass


def test_a_lock_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    dies = (
        "import os, signal, sys; from pathlib import Path; from cluster.run.run_lock import run_lock\n"
        "with run_lock(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", dies, str(tmp_path)], check=False).returncode == -9
    with run_lock(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    (tmp_path / "run" / LOCK_FILE).mkdir(parents=True)
    for run_dir, why in (
        (tmp_path / "README.md" / "run", "Not a directory"),
        (tmp_path / "README.md", "File exists"),
        (tmp_path / "run", "Is a directory"),
    ):
        line = re.escape(f"{run_dir}: the run cannot be written there ({why}); choose another folder with --runs")
        with pytest.raises(PreflightError, match=f"^{line}$"), run_lock(run_dir):
            pass


@pytest.mark.parametrize("name", ["lora", "pictures", "learner", "audit/thumbnails", "adapters"])
def test_a_file_where_the_run_keeps_a_folder_is_noticed_before_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    said = re.escape(f"{tmp_path / name}: is a file, and the run keeps a folder there; move it away")
    with pytest.raises(PreflightError, match=said), run_lock(tmp_path):
        pass


@pytest.mark.parametrize("name", ["config.yaml", "metrics.jsonl", "tracking.json", "learner.token"])
def test_a_folder_where_the_run_keeps_a_file_is_noticed_before_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(PreflightError, match=f"{name}: is a folder, and the run keeps a file"), run_lock(tmp_path):
        pass


def test_a_folder_that_is_not_ours_to_write_is_noticed_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lora").mkdir()

    # The superuser, whom the tests may run as, can write everywhere.
    def access(path: Path, mode: int) -> bool:
        return path.name != "lora"

    monkeypatch.setattr("os.access", access)
    with pytest.raises(PreflightError, match=r"lora: cannot be written; make it writable"), run_lock(tmp_path):
        pass


def test_a_filesystem_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    said = re.escape(f"{tmp_path}: the run cannot be locked there (No locks available), and two processes might")
    with pytest.raises(PreflightError, match=said), run_lock(tmp_path):
        pass
