# pyright: strict
"""Resuming: whether a run starts from nothing or from its last checkpoint, and whether its config fits that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cluster.config.experiment import ExperimentConfig, load_config
from cluster.errors import PreflightError
from cluster.tracking.history import CONFIG_FILE
from learners.distributed.trainer import saved_ledger

# What ledger, learner and adapter are built from; a checkpoint fits no other.
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


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run starts; by default from nothing."""

    resumed: bool = False
    ledger: dict[str, Any] | None = None
    """`Ledger.state` as of the last checkpoint; None if there is none"""

    @property
    def done(self) -> int:
        """The updates that are in the checkpoint."""
        return 0 if self.ledger is None else int(self.ledger["published"])


def resumed_start(run_dir: Path, config: ExperimentConfig) -> Start:
    """Where the run in `run_dir` goes on; raises PreflightError if it cannot go on by `config`."""
    saved = saved_ledger(run_dir)
    check_resumable(run_dir, config, saved)
    return Start(resumed=True, ledger=saved)


def check_resumable(run_dir: Path, config: ExperimentConfig, saved: Mapping[str, Any] | None) -> None:
    """Raises PreflightError, with one line per problem, if the run in `run_dir` cannot go on by `config` from the
    `saved` state of the ledger (None: there is no checkpoint yet)."""
    stored = load_config(run_dir / CONFIG_FILE, stored=True)
    if problems := [*_changes(stored, config), *_too_few(config, saved)]:
        raise PreflightError("\n".join(problems))


def _changes(stored: ExperimentConfig, config: ExperimentConfig) -> Iterator[str]:
    for key in FIXED:
        before, now = attrgetter(key)(stored), attrgetter(key)(config)
        if before != now:
            yield (
                f"{key}: the run was begun with {_shown(before)}, which what it has saved depends on, and this says "
                f"{_shown(now)}; begin another run with `--set name=NEW`"
            )


def _too_few(config: ExperimentConfig, saved: Mapping[str, Any] | None) -> Iterator[str]:
    if saved is not None and saved["published"] > config.updates:
        yield f"updates: the run has made {saved['published']} updates already, and this says {config.updates}"


def _shown(value: Any) -> str:
    return str(value.model_dump(mode="json")) if isinstance(value, BaseModel) else str(value)
