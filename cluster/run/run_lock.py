# pyright: strict
"""A run's directory: for one process at a time, and with a config that its checkpoints fit."""

from __future__ import annotations

import fcntl
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cluster.config.experiment import ExperimentConfig, load_config
from cluster.run.preflight import PreflightError
from cluster.tracking.history import CONFIG_FILE

LOCK_FILE = "lock"
# What ledger, learner and adapter are built by, and cannot go on without.
FIXED = (
    "seed",
    "groups_per_update",
    "samples_per_prompt",
    "policy.dtype",
    "policy.lora",
    "learner.algorithm.kind",
    "learner.workers",
    "learner.zero_stage",
)


class RunBusyError(ValueError):
    """Two processes want to write the same run."""


@contextmanager
def run_lock(run_dir: Path) -> Generator[None]:
    """Inside, the run in `run_dir` (made if need be) is this process's alone; raises RunBusyError if it is another's,
    and PreflightError if it cannot be written.

    The claim goes away with the process, however it ends.
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


def check_resumable(run_dir: Path, config: ExperimentConfig, saved: Mapping[str, Any] | None) -> None:
    """Raises PreflightError, with one line per problem, if the run in `run_dir` cannot go on by `config` from the
    `saved` books (None: there is no checkpoint yet)."""
    stored = load_config(run_dir / CONFIG_FILE, stored=True)
    if problems := [*_changes(stored, config), *_too_few(config, saved)]:
        raise PreflightError("\n".join(problems))


def _changes(stored: ExperimentConfig, config: ExperimentConfig) -> Iterator[str]:
    for key in FIXED:
        before, now = attrgetter(key)(stored), attrgetter(key)(config)
        if before != now:
            yield (
                f"{key}: the run was begun with {_said(before)}, which what it has saved depends on, and this says "
                f"{_said(now)}; begin another run with `--set name=NEW`"
            )


def _too_few(config: ExperimentConfig, saved: Mapping[str, Any] | None) -> Iterator[str]:
    if saved is not None and saved["published"] > config.updates:
        yield f"updates: the run has made {saved['published']} updates already, and this says {config.updates}"


def _said(value: Any) -> str:
    return str(value.model_dump(mode="json")) if isinstance(value, BaseModel) else str(value)
