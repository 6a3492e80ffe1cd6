"""The Ray shell of the learner: a Ray Train worker group that turns the ledger's batches into published policies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
import ray.train
import torch
from ray.actor import ActorHandle
from ray.exceptions import RayTaskError
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from actors.config import PolicyConfig, SamplerConfig
from actors.policy import Policy
from actors.trajectory import JudgedGroup
from learners.config import LearnerConfig
from learners.ddpo import DDPOLearner
from learners.ratio import RatioError
from rewards.config import RewardsConfig

# Ray Train's folder in the run's directory: checkpoints, and the record of which of them are whole.
FOLDER = "learner"
# One call for a batch waits no longer, so that a ledger that has died is noticed.
POLL_S = 10.0


class TrainingStopped(RuntimeError):  # noqa: N818 (the name of the event)
    """Training cannot go on, and starting the workers again would not help; the message says why."""


@dataclass(frozen=True)
class Assignment:
    """What every worker of the group is told; `ledger` and `weights` are actor handles (see cluster/shells.py)."""

    policy: PolicyConfig
    sampler: SamplerConfig
    learner: LearnerConfig
    seed: int
    groups_per_update: int
    samples_per_prompt: int
    updates: int
    checkpoint_every: int
    ledger: ActorHandle
    weights: ActorHandle
    rewards: RewardsConfig | None = None
    """the panel's settings; None: the groups come with their rewards"""


def fit(assignment: Assignment, run_dir: Path) -> int:
    """Trains until `updates` policies are published, or the ledger is told to stop, and returns their number; blocks.

    A worker that dies costs a restart of the group from the last checkpoint, at most `learner.max_failures` times. A
    run directory that already holds checkpoints is continued. Raises TrainingStopped for what a restart cannot cure.
    """
    learner = assignment.learner
    result = TorchTrainer(
        train_worker,
        train_loop_config={"assignment": replace(assignment, policy=_located(assignment.policy))},
        torch_config=TorchConfig(backend="nccl" if learner.num_gpus else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=learner.workers,
            use_gpu=learner.num_gpus > 0,
            resources_per_worker={"CPU": learner.num_cpus} | ({"GPU": learner.num_gpus} if learner.num_gpus else {}),
        ),
        run_config=RunConfig(
            storage_path=str(run_dir.resolve()),
            name=FOLDER,
            failure_config=FailureConfig(max_failures=learner.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
    ).fit()
    outcome: dict[str, Any] = result.return_value or {}
    if "stopped" in outcome:
        raise TrainingStopped(outcome["stopped"])
    return int(outcome["version"])


def _located(policy: PolicyConfig) -> PolicyConfig:
    """`policy` with a folder as an absolute path: Ray Train moves its workers to a directory of their own."""
    folder = Path(policy.model).expanduser()
    return policy.model_copy(update={"model": str(folder.resolve())}) if folder.is_dir() else policy


def saved_ledger(run_dir: Path) -> dict[str, Any] | None:
    """`Ledger.state()` as of the run's last whole checkpoint, to start its ledger from; None if there is none."""
    if not (run_dir / FOLDER / "checkpoint_manager_snapshot.json").is_file():
        return None
    checkpoint = ray.train.Result.from_path(str((run_dir / FOLDER).resolve())).checkpoint
    if checkpoint is None:
        return None
    with checkpoint.as_directory() as folder:
        return json.loads(Path(folder, "ledger.json").read_text())


def train_worker(config: dict[str, Any]) -> dict[str, Any]:
    """One rank of the worker group: `{"version": policies published}`, or `{"stopped": why}` if it cannot go on.

    consumes        this rank's share of each batch (places `rank::world`)
    waits for       the ledger's next full batch, no longer than `learner.batch_deadline_s`
    unblocked by    rollout actors that submit judged groups
    produces        adapters in the weight store (before the ledger settles the update), checkpoints
    """
    try:
        return {"version": _learn(config["assignment"])}
    except RayTaskError:
        raise  # Ray makes it an instance of its cause as well; one rank alone may have met it
    except (TrainingStopped, RatioError, FloatingPointError, ValueError) as error:
        # Every rank meets these at the same place. Raised, they would be tried again `max_failures` times for nothing.
        return {"stopped": str(error)}


def _learn(a: Assignment) -> int:
    from diffusers.utils.logging import disable_progress_bar
    from transformers.utils.logging import disable_progress_bar as disable_loading_bar

    disable_progress_bar()
    disable_loading_bar()
    torch.set_num_threads(a.learner.threads)
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    learner = DDPOLearner(
        Policy.load(a.policy, a.seed, get_device()),
        a.learner,
        a.sampler,
        groups=a.groups_per_update,
        samples=a.samples_per_prompt,
        seed=a.seed,
        updates=a.updates,
        rewards=a.rewards,
    )
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            learner.restore(folder)
    _take_over(a, learner, rank)
    watch, saved = Stopwatch(), learner.version
    while learner.version < a.updates:
        with watch("waiting"):
            groups = _next_batch(a, rank, world, learner.version)
        if not groups:
            break
        with watch("training"):
            stats = learner.update(groups)
        with watch("publishing"):
            adapter = learner.adapter()
            if rank == 0:
                ray.get(a.weights.publish.remote(adapter))
        if rank == 0:
            # Only now: a ticket that the settlement admits must meet the new weights.
            ray.get(a.ledger.settle.remote(learner.version, stats | watch.read()))
        if learner.version % a.checkpoint_every == 0:
            with watch("saving"):
                _checkpoint(a, learner, rank)
            saved = learner.version
    if saved != learner.version:
        _checkpoint(a, learner, rank)
    return learner.version


def _take_over(a: Assignment, learner: DDPOLearner, rank: int) -> None:
    """Makes weight store and ledger agree with this learner, which is new or comes from a checkpoint."""
    adapter = learner.adapter()
    if rank == 0:
        counts: Any = ray.get(a.ledger.counts.remote())
        first = ray.get(a.weights.version.remote()) is None
        ray.get(a.weights.publish.remote(adapter, rollback=not first))
        if not first or counts["published"] != learner.version:
            # Weights first: the tickets that the rollback admits must meet the restored policy.
            ray.get(a.ledger.rollback.remote(learner.version))
    # No rank may ask for a batch that rank 0 is about to roll back.
    learner.engine.barrier()


def _next_batch(a: Assignment, rank: int, world: int, version: int) -> list[JudgedGroup]:
    """This rank's groups; none when the ledger was told to end the run, which every rank hears at the same version."""
    deadline = time.monotonic() + a.learner.batch_deadline_s
    while time.monotonic() < deadline:
        try:
            references: Any = ray.get(a.ledger.batch.remote(rank, world, version, POLL_S))
        except RayTaskError as error:  # the ledger refuses every rank alike: too old a group, or a stuck place
            raise TrainingStopped(str(error.cause)) from error
        if references is not None:
            return ray.get(references)
    counts = ray.get(a.ledger.counts.remote())
    raise TrainingStopped(
        f"no full batch for update {version + 1} within learner.batch_deadline_s {a.learner.batch_deadline_s:g}; the "
        f"ledger counts {counts}. Look for dead rollout actors or judges, or raise the deadline"
    )


def _checkpoint(a: Assignment, learner: DDPOLearner, rank: int) -> None:
    """Every rank reports its part; Ray Train lists the checkpoint only when all parts are in storage."""
    with TemporaryDirectory(prefix="salon-") as folder:
        mine = Path(folder, "part")
        learner.save(mine)
        if rank == 0:
            state = ray.get(a.ledger.state.remote())
            (mine / "ledger.json").write_text(json.dumps(state))
        ray.train.report(
            {"version": learner.version},
            checkpoint=Checkpoint.from_directory(mine),
            checkpoint_dir_name=f"checkpoint_{learner.version:06d}",
        )


@dataclass
class Stopwatch:
    """Where a worker's wall time goes, between one reading and the next."""

    _seconds: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.perf_counter)

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Counts the time inside as spent on `phase`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[phase] = self._seconds.get(phase, 0.0) + time.perf_counter() - start

    def read(self) -> dict[str, float]:
        """`seconds/PHASE` and `idle/learner` (the share spent waiting) since the last reading; starts afresh."""
        now = time.perf_counter()
        row = {f"seconds/{phase}": seconds for phase, seconds in self._seconds.items()}
        row["idle/learner"] = self._seconds.get("waiting", 0.0) / max(now - self._since, 1e-9)
        self._seconds, self._since = {}, now
        return row
