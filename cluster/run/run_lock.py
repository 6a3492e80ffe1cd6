# pyright: strict
"""The run lock: one process at a time writes a run's directory."""

from __future__ import annotations

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import PreflightError, RunBusyError

LOCK_FILE = "lock"


@contextmanager
def run_lock(run_dir: Path) -> Generator[None]:
    """Context manager: locks the run in `run_dir` (made if need be) for this process.

    Raises RunBusyError if another process has it, and PreflightError if it cannot be written.

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
        yield
