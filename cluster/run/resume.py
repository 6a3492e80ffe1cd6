# pyright: strict
"""Resuming: whether a run starts from nothing or from its last checkpoint, and whether its config fits that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from cluster.config.experiment import ExperimentConfig, load_config
from cluster.errors import BadInput, PreflightError
from cluster.ledger.ledger_state import LedgerState
from cluster.tracking.history import CONFIG_FILE, METRICS_FILE, RunHistory
from cluster.tracking.verdict_table import set_damaged_aside
from learners.distributed.checkpoints import LEDGER, Checkpoint, CheckpointStore, Found

# What ledger, learner and adapter are built from; a checkpoint fits no other.
FIXED = (
    "seed",
    "groups_per_update",
    "samples_per_prompt",
    "policy.dtype",
    "policy.resolution",
    "policy.train",
    "policy.lora",
    "learner.algorithm.kind",
)


SHOWN = 5
ANOTHER_RUN = "begin another run with `--set name=NEW`"


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run starts; by default from nothing."""

    resumed: bool = False
    ledger: dict[str, Any] | None = None
    """`Ledger.state` as of the last checkpoint that is whole; None if there is none"""
    notes: tuple[str, ...] = ()
    """what the user should know of it: checkpoints that were passed over, settings that are not those of before"""

    @property
    def done(self) -> int:
        """The updates that are in the checkpoint."""
        return 0 if self.ledger is None else int(self.ledger["published"])


def check_new(run_dir: Path, go_on: str, begin: str) -> None:
    """Raises BadInput if `run_dir` holds a run that has made updates, by its curves or, should these be gone, by its
    checkpoints. `go_on` and `begin` say how the caller's user continues that run, and how to begin another."""
    history = RunHistory.read(run_dir)
    done = len(history.updates) or max(CheckpointStore(run_dir).updates(), default=0)
    if not done and history.damaged:
        raise BadInput(f"{run_dir} holds a run of which nothing can be read ({history.damaged[0]}); begin with {begin}")
    if done:
        raise BadInput(
            f"{run_dir} holds a run of {done} updates already: continue it with {go_on}, or begin another with {begin}"
        )


def resumed_start(run_dir: Path, config: ExperimentConfig) -> Start:
    """Where the run in `run_dir` goes on: at its newest whole checkpoint.

    Raises PreflightError if no checkpoint is whole, if the run's checkpoints are gone, or if it cannot go on by
    `config`; ConfigError if the config in its directory cannot be read.
    """
    found = CheckpointStore(run_dir).newest(accept=_check_ledger)
    checkpoint = found.checkpoint
    if checkpoint is None:
        stored = load_config(run_dir / CONFIG_FILE, stored=True)
        _check_nothing_is_lost(run_dir, stored, found)
        check_resumable(stored, config)
        return Start(resumed=True, notes=("there is no checkpoint yet, so the run begins again at update 1",))
    stored = load_config(checkpoint.config or run_dir / CONFIG_FILE, stored=True)
    check_resumable(stored, config, checkpoint)
    notes = [f"{line}; it is passed over" for line in found.damaged]
    updates = RunHistory.read(run_dir).updates
    made = int(updates[-1]["update"]) if updates else 0
    if found.damaged or made > checkpoint.update:
        again = f"; what came after it, up to update {made}, is made again" if made > checkpoint.update else ""
        notes.append(f"going on from update {checkpoint.update}, the newest checkpoint that is whole{again}")
    notes += _news(stored, config, checkpoint.update)
    return Start(resumed=True, ledger=dict(checkpoint.ledger), notes=tuple(notes))


def damaged_records(run_dir: Path) -> list[str]:
    """What of a run's curves and audit cannot be read, in a line each; damaged files of the audit are set aside."""
    damaged = RunHistory.read(run_dir).damaged
    more = [f"{run_dir / METRICS_FILE}: {len(damaged) - SHOWN} more rows are left out"] if len(damaged) > SHOWN else []
    return [*damaged[:SHOWN], *more, *set_damaged_aside(run_dir)]


def check_resumable(stored: ExperimentConfig, config: ExperimentConfig, checkpoint: Checkpoint | None = None) -> None:
    """Raises PreflightError, with one line per problem, if a run that had the config `stored` cannot go on by `config`
    from the `checkpoint` (None: there is no checkpoint yet)."""
    if problems := [*_changes(stored, config), *_unlike(checkpoint, stored, config), *_too_few(config, checkpoint)]:
        raise PreflightError("\n".join(problems))


def _check_ledger(checkpoint: Checkpoint) -> None:
    try:
        LedgerState.check(checkpoint.ledger)
    except ValueError as error:
        raise ValueError(f"{checkpoint.folder / LEDGER}: {error}") from None


def _check_nothing_is_lost(run_dir: Path, stored: ExperimentConfig, found: Found) -> None:
    """Raises PreflightError if there were checkpoints."""
    if found.damaged:
        others = f", and {len(found.damaged) - 1} more are damaged" if len(found.damaged) > 1 else ""
        raise PreflightError(f"{found.damaged[0]}{others}; no checkpoint is whole: bring one back, or {ANOTHER_RUN}")
    history, folder = RunHistory.read(run_dir), CheckpointStore(run_dir).folder
    made = len(history.updates)
    # A run that was stopped before its first checkpoint has none, and begins again.
    first = made <= stored.checkpoint_every and history.evaluation("after") is None and folder.is_dir()
    if made and not first:
        raise PreflightError(
            f"{folder}: the run has made {made} updates, and their checkpoints are gone; bring them back, or "
            f"{ANOTHER_RUN}"
        )


def check_same(run_dir: Path, config: ExperimentConfig, source: Path) -> None:
    """Raises PreflightError, with one line per key, if the run in `run_dir` was begun with another config than the one
    in the file `source`."""
    problems = [
        f"{key}: {run_dir} was begun with {begun}, and {source} says {wanted}; give it another name, or change that "
        f"of the run by `salon train --resume {run_dir} --set {key}=…`"
        for key, begun, wanted in _differences(load_config(run_dir / CONFIG_FILE, stored=True), config)
    ]
    if problems:
        raise PreflightError("\n".join(problems))


def _changes(stored: ExperimentConfig, config: ExperimentConfig) -> Iterator[str]:
    if stored.offline != config.offline:
        before, now = ("a data set" if its.offline else "pictures of the policy's own" for its in (stored, config))
        yield f"learner.algorithm.data: the run was begun on {before}, and this says {now}; {ANOTHER_RUN}"
    for key in FIXED:
        before, now = attrgetter(key)(stored), attrgetter(key)(config)
        if before != now:
            yield (
                f"{key}: the run was begun with {_shown(before)}, which what it has saved depends on, and this says "
                f"{_shown(now)}; {ANOTHER_RUN}"
            )


def _unlike(checkpoint: Checkpoint | None, stored: ExperimentConfig, config: ExperimentConfig) -> Iterator[str]:
    """What differs from the checkpoint itself where nobody has changed the config: one of an earlier release has none,
    and the run's may have been edited."""
    for key, before in ({} if checkpoint is None else _made_with(checkpoint)).items():
        was, now = attrgetter(key)(stored), attrgetter(key)(config)
        if before is not None and was == now != before:
            yield f"{key}: the run's checkpoint was made with {before}, and this says {now}; {ANOTHER_RUN}"


def _made_with(checkpoint: Checkpoint) -> dict[str, Any]:
    ledger = {key: checkpoint.ledger.get(key) for key in ("seed", "groups_per_update", "samples_per_prompt")}
    # The ledger of an offline run has no groups, whatever the config says of them.
    ledger["groups_per_update"] = ledger["groups_per_update"] or None
    learner = {f"learner.{key}": checkpoint.learner.get(key) for key in ("workers", "zero_stage")}
    return {**ledger, **learner, "learner.algorithm.kind": checkpoint.learner.get("algorithm")}


def _news(stored: ExperimentConfig, config: ExperimentConfig, update: int) -> Iterator[str]:
    """The settings that are not those of the checkpoint."""
    for key, before, now in _differences(stored, config):
        yield f"{key}: {before} until update {update}, {now} from now on"


def _differences(one: ExperimentConfig, other: ExperimentConfig) -> Iterator[tuple[str, Any, Any]]:
    """The dotted keys that differ, with both values; None where there is none."""
    before, now = (dict(_flat(its.model_dump(mode="json"))) for its in (one, other))
    for key in dict.fromkeys([*before, *now]):
        if before.get(key) != now.get(key):
            yield key, before.get(key), now.get(key)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(cast("dict[str, Any]", value), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _too_few(config: ExperimentConfig, checkpoint: Checkpoint | None) -> Iterator[str]:
    if checkpoint is not None and checkpoint.update > config.updates:
        yield f"updates: the run has made {checkpoint.update} updates already, and this says {config.updates}"


def _shown(value: Any) -> str:
    return str(value.model_dump(mode="json")) if isinstance(value, BaseModel) else str(value)
