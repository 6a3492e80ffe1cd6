"""The learner's worker group, which Ray Train starts, watches, and restarts.

Ray Train is told nothing of checkpoints. It would keep a list of them in a file of its own, and believe that.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ray.train import ControllerError, FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.torch import TorchConfig, TorchTrainer

from actors.config import PolicyConfig
from learners.distributed.checkpoints import FOLDER
from learners.distributed.storage import leave_token
from learners.distributed.worker import Assignment, train_worker
from learners.settings import LearnerSettings
from learners.sources.source import TrainingStopped
from rewards.errors import last_line
from rewards.storage_error import writing

# How often Ray Train may try to place the workers, for a minute each time; without a limit it would try for ever.
PLACEMENTS = 15


def fit(assignment: Assignment, run_dir: Path) -> int:
    """Trains until `spec.updates` policies are published, or the run is ended early (`LedgerClient.stop`), and returns
    their number; blocks.

    A worker that dies costs a restart of the group from the newest whole checkpoint, at most `learner.max_failures`
    times. A ledger that comes from a checkpoint is joined by the learner of the same checkpoint. Raises TrainingStopped
    for what a restart cannot cure, when there were too many restarts, and when there was no room for the workers for
    about PLACEMENTS minutes; StorageError when the run's folder cannot be written.
    """
    with TemporaryDirectory(prefix="salon-") as scratch:
        return _fit(assignment, run_dir.resolve(), scratch)


def _fit(assignment: Assignment, run_dir: Path, scratch: str) -> int:
    learner = assignment.spec.learner
    with writing(run_dir / FOLDER):
        (run_dir / FOLDER).mkdir(exist_ok=True)
    complete = replace(
        assignment,
        policy=_located(assignment.policy),
        algorithm=assignment.algorithm.located(),
        storage=(run_dir, leave_token(run_dir)),
    )
    trainer = TorchTrainer(
        train_worker,
        train_loop_config={"assignment": complete},
        torch_config=TorchConfig(backend="nccl" if learner.num_gpus else "gloo"),
        scaling_config=scaling(learner),
        run_config=RunConfig(
            storage_path=scratch,
            failure_config=FailureConfig(max_failures=learner.max_failures, controller_failure_limit=PLACEMENTS),
        ),
    )
    try:
        outcome: dict[str, Any] = trainer.fit().return_value or {}
    except ControllerError as error:
        raise TrainingStopped(
            f"the learner's workers could not be started ({last_line(error.controller_failure)}); is there room for "
            f"learner.workers {learner.workers} × learner.num_cpus {learner.num_cpus:g} and learner.num_gpus "
            f"{learner.num_gpus:g}?"
        ) from error
    except WorkerGroupError as error:
        why = next(iter(error.worker_failures.values()), error)
        raise TrainingStopped(
            f"the learner's workers failed {learner.max_failures + 1} times (learner.max_failures), the last time "
            f"because of: {last_line(why)}"
        ) from error
    if "stopped" in outcome:
        raise TrainingStopped(outcome["stopped"])
    return int(outcome["version"])


def scaling(learner: LearnerSettings) -> ScalingConfig:
    """The worker group as Ray Train is asked for it, which takes a GPU of 0 for a mistake."""
    gpus = {"GPU": learner.num_gpus} if learner.num_gpus else {}
    return ScalingConfig(
        num_workers=learner.workers,
        use_gpu=bool(gpus),
        resources_per_worker={"CPU": learner.num_cpus} | gpus | learner.resources,
        placement_strategy=learner.placement.upper(),
    )


def _located(policy: PolicyConfig) -> PolicyConfig:
    """`policy` with absolute paths: Ray Train moves its workers to a directory of their own."""
    folder, init = Path(policy.model).expanduser(), policy.lora.init
    if init is not None:
        lora = policy.lora.model_copy(update={"init": init.resolve()})
        policy = policy.model_copy(update={"lora": lora})
    return policy.model_copy(update={"model": str(folder.resolve())}) if folder.is_dir() else policy
