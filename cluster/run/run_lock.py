# pyright: strict
"""The run lock: one process at a time writes a run's directory, and can write all of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import PreflightError, RunBusyError
from cluster.run.adapter_archive import FOLDER as ADAPTERS
from cluster.tracking.audit import THUMBNAILS
from cluster.tracking.history import CONFIG_FILE, METRICS_FILE, TRACKING_FILE
from cluster.tracking.verdict_table import FOLDER as AUDIT
from learners.distributed.checkpoints import FOLDER as LEARNER
from learners.distributed.storage import TOKEN_FILE

LOCK_FILE = "lock"
FOLDERS = (LEARNER, ADAPTERS, AUDIT, f"{AUDIT}/{THUMBNAILS}", "pictures", "lora", "policy", "wandb")
FILES = (CONFIG_FILE, METRICS_FILE, TRACKING_FILE, TOKEN_FILE)


@contextmanager
def run_lock(run_dir: Path) -> Generator[None]:
    """Context manager: locks the run in `run_dir` (made if need be) for this process.

    Raises RunBusyError if another process has it, and PreflightError if it, or a part of it, cannot be written.

    The lock goes away with the process, however it ends.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        file = (run_dir / LOCK_FILE).open("a")
    except OSError as error:
        raise PreflightError(
            f"{run_dir}: the run cannot be written there ({error.strerror}); choose another folder with --runs"
        ) from None
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunBusyError(
                f"{run_dir}: another process is writing this run; wait for it to end, or choose another `name`"
            ) from None
        except OSError as error:  # a filesystem without locks
            raise PreflightError(
                f"{run_dir}: the run cannot be locked there ({error.strerror}), and two processes might write it; "
                "choose another filesystem with --runs"
            ) from None
        if problems := [*_unwritable(run_dir)]:
            raise PreflightError("\n".join(problems))
        yield


def _unwritable(run_dir: Path) -> Iterator[str]:
    """What is in the run's way, a line each; it would be noticed when the training is done."""
    for path in (run_dir / name for name in (".", *FOLDERS, *FILES)):
        is_folder = path.relative_to(run_dir).as_posix() not in FILES
        if not path.exists():
            continue
        if path.is_dir() != is_folder:
            wanted, there = ("folder", "file") if is_folder else ("file", "folder")
            yield f"{path}: is a {there}, and the run keeps a {wanted} there; move it away"
        elif not os.access(path, os.W_OK | (os.X_OK if is_folder else 0)):
            yield f"{path}: cannot be written; make it writable"
