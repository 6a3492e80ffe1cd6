"""The Ray shell of the learner: one worker of the group that turns the ledger's batches into published policies."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
import ray.train
import torch
from ray.actor import ActorHandle
from ray.exceptions import RayTaskError
from ray.train import Checkpoint
from ray.train.torch import get_device

from actors.config import PolicyConfig, SamplerConfig
from actors.diffusion.policy import Policy
from actors.timing import UpdateTimer
from actors.trajectory import JudgedGroup
from learners.algorithms.ddpo import DDPOLearner
from learners.algorithms.ratio_check import RatioError
from learners.config import LearnerConfig
from learners.distributed.storage import check_storage
from rewards.settings.rewards import RewardsConfig

# One call for a batch waits no longer, so that a ledger that has died is noticed.
POLL_S = 10.0


class TrainingStopped(RuntimeError):  # noqa: N818 (the name of the event)
    """Training cannot go on, and starting the workers again would not help; the message says why."""


@dataclass(frozen=True)
class Assignment:
    """What every worker of the group is told; `ledger` and `weights` are actor handles  (see cluster/ledger)."""

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
    storage: tuple[Path, str] | None = None
    """the run's directory, and the token in it (see `check_storage`); `fit` says it"""


def train_worker(config: dict[str, Any]) -> dict[str, Any]:
    """One rank of the worker group: `{"version": policies published}`, or `{"stopped": why}` if it cannot go on.

    consumes        this rank's share of each batch (indices `rank::world`)
    waits for       the ledger's next full batch, no longer than `learner.batch_deadline_s`
    unblocked by    rollout actors that submit judged groups
    produces        adapters in the weight store (before the ledger settles the update), checkpoints
    """
    try:
        return {"version": _learn(config["assignment"])}
    except RayTaskError:
        raise  # Ray makes it an instance of its cause as well; one rank alone may have met it
    except (TrainingStopped, RatioError, FloatingPointError, ValueError) as error:
        # Every rank meets these at the same point. Raised, they would be tried again `max_failures` times for nothing.
        return {"stopped": str(error)}


def _learn(a: Assignment) -> int:
    if a.storage is not None:
        check_storage(*a.storage, node=ray.util.get_node_ip_address())

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
    timer, saved = UpdateTimer(), learner.version
    while learner.version < a.updates:
        with timer("waiting"):
            groups = _next_batch(a, rank, world, learner.version)
        if not groups:
            break
        with timer("training"):
            stats = learner.update(groups)
        with timer("publishing"):
            adapter = learner.adapter()
            if rank == 0:
                ray.get(a.weights.publish.remote(adapter))
        if rank == 0:
            # Only now: a ticket that the settlement admits must meet the new weights.
            ray.get(a.ledger.settle.remote(learner.version, stats | timer.read()))
        if learner.version % a.checkpoint_every == 0:
            with timer("saving"):
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
        except RayTaskError as error:  # the ledger refuses every rank alike: too old a group, or a stuck ticket
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
