# pyright: strict
"""`salon train`: the main loop.

Three loops go at the same time, in processes of their own. They meet in the ledger, which owns every ticket, and in the
weight store, which has the newest adapter.

rollout     `actors.count` processes (actors/rollout.py)
    consumes        tickets of the ledger, the newest adapter of the weight store
    waits for       a ticket, when the run is `max_lag` updates ahead of the learner; the judges, when
                    `actors.judging_groups` groups are with them
    unblocked by    the learner, which settles an update; the judges' verdicts
    produces        judged groups for the ledger, or a reason why a group came to nothing; in an offline run nothing,
                    as rollout actors and judges are there for evaluations alone

learner     `learner.workers` processes (learners/distributed/worker.py)
    consumes        the ledger's batches: `groups_per_update` judged groups each
                    (of an offline run: rows of the data set, which it reads itself)
    waits for       the next full batch, at most `learner.batch_deadline_s`
    unblocked by    the rollout actor that submits the last group of the batch
    produces        an adapter for the weight store, then the settlement of the update; checkpoints

driver      this process (`_train`)
    consumes        the ledger's events, what rollout actors and judges say of themselves
    waits for       the end of the learner, looking at the run every POLL_S
    unblocked by    the run's last update: the learner is the only finite clock; a signal, which ends the run after the
                    update in training
    produces        curves, audit, alarms, evaluations; new actors for dead ones; what was trained, in RUN/lora or
                    RUN/policy
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from actors.clients import LedgerClient, ServiceLost
from actors.error_budget import RolloutError
from cluster.config.batch_summary import describe
from cluster.config.experiment import ExperimentConfig, dump_config
from cluster.crew.health import CrewLost
from cluster.errors import RunStopped
from cluster.run.background import Background
from cluster.run.checks.cut_prompts import cut_prompts
from cluster.run.observers import Observers, metrics_writer, open_audit
from cluster.run.ray_runtime import ray_runtime
from cluster.run.resume import Start, damaged_records, resumed_start
from cluster.run.run_lock import run_lock
from cluster.run.services import Services, learner_assignment, running_services
from cluster.run.stop_signals import StopSignals
from cluster.tracking.history import CONFIG_FILE
from cluster.tracking.metrics import MetricsWriter
from cluster.tracking.progress import Progress
from learners.distributed.trainer import fit
from learners.distributed.worker import Assignment
from learners.sources.source import TrainingStopped
from rewards.atomic_write import atomic_write
from rewards.pretrained import quiet_libraries
from rewards.storage_error import StorageError, writing

POLL_S = 1.0
PROFILE = "profile"
"""the folder, in a run's, for traces"""


def train(config: ExperimentConfig, run_dir: Path, resume: bool = False, profile: bool = False) -> None:
    """Runs `config`, which has passed `preflight`, in `run_dir` until its last update; blocks. With `profile`, every
    worker of the learner traces its second update, and every rollout actor its second group (see `actors.profiling`).

    Raises RunBusyError before anything starts, RunStopped when the run cannot go on, Stopped when a signal has ended
    it. Everything that a resumed run needs is in `run_dir` by then.
    """
    with StopSignals() as stop:
        _launch(config, run_dir, resume, stop, run_dir.resolve() / PROFILE if profile else None)


def _launch(config: ExperimentConfig, run_dir: Path, resume: bool, stop: StopSignals, profile: Path | None) -> None:
    quiet_libraries()
    with run_lock(run_dir):
        start = resumed_start(run_dir, config) if resume else Start()
        for note in [*start.notes, *damaged_records(run_dir)] if resume else []:
            print(f"salon: {note}", file=sys.stderr)
        for line in [*describe(config), *cut_prompts(config)]:
            print(line)
        with atomic_write(run_dir / CONFIG_FILE) as part:
            part.write_text(dump_config(config), encoding="utf-8")
        with (
            Progress(config.name, config.updates, audit_judges=config.audit_judges) as progress,
            # First, because its key may be wrong, and nobody wants to learn that when the models are loaded.
            metrics_writer(config, run_dir, start.done if start.resumed else None) as writer,
            ray_runtime(config.cluster, stop),
        ):
            try:
                with running_services(config, run_dir, start.ledger, progress, profile) as services:
                    assignment = learner_assignment(config, services, start.done, profile)
                    _train(config, run_dir, start, services, assignment, progress, writer, stop)
            except (CrewLost, ServiceLost, TrainingStopped, RolloutError, StorageError) as error:
                raise RunStopped(str(error)) from error


def _train(
    config: ExperimentConfig,
    run_dir: Path,
    start: Start,
    services: Services,
    assignment: Assignment,
    progress: Progress,
    writer: MetricsWriter,
    stop: StopSignals,
) -> None:
    """The driver's loop, and what comes before and after it."""
    rolling = None if config.offline else services.crew
    with open_audit(config, run_dir, start.done) as audit:
        observers = Observers(config, run_dir, start.done, services, audit, progress, writer)
        observers.before()
        learner = Background("learner", fit, assignment, run_dir.resolve())
        # A resumed run's policy is the learner's alone, until it has loaded and published it.
        going = start.done == 0 and rolling is not None
        if start.done == 0 and rolling is not None:
            rolling.roll()
        progress.note("training")
        with observers.training(), stop.held():
            grace = _Grace(config.cluster.stop_grace_s, start.done)
            with stop.explaining():
                while learner.running() and not (stop.asked and grace.over(services.ledger, progress)):
                    learner.wait(POLL_S)
                    if not going and (going := services.weights.version().result() is not None) and rolling is not None:
                        rolling.roll()
                    if going:
                        observers.look()
            if not learner.running():
                learner.result()
        adapter = observers.adapter()
        _save(services.exports.exported(adapter), run_dir / config.policy.export_folder)
        observers.after(adapter)
    services.dismiss()
    observers.close(adapter)


class _Grace:
    """What is left of the time in which a run that was asked to stop ends its update; `done` is what it began with."""

    def __init__(self, seconds: float, done: int) -> None:
        self._seconds, self._done = seconds, done
        self._until: float | None = None

    def over(self, ledger: LedgerClient, progress: Progress) -> bool:
        """Whether there is nothing more to wait for; the first call asks the learner to end."""
        if self._until is None:
            self._until = time.monotonic() + self._seconds
            if ledger.stop().result() == self._done:
                self._until = 0.0  # no update has been made, and none is on its way
            else:
                progress.note(
                    f"stopping: the update in training has {self._seconds:g} s to end and to be saved "
                    "(cluster.stop_grace_s); stop again to end at once"
                )
        return time.monotonic() >= self._until


def _save(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        with writing(folder):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / name) as part:
            part.write_bytes(content)
