"""The Ray shell of the learner: one worker of the group that turns batches into published policies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import get_device

from actors.clients import CallRefused, LedgerClient, WeightStoreClient
from actors.config import PolicyConfig
from actors.diffusion.policy import Policy
from actors.profiling import traced
from actors.timing import UpdateTimer
from actors.trajectory import JudgedGroup
from learners.algorithms.algorithm import AlgorithmConfig, WorkerShare
from learners.distributed.checkpoints import CONFIG, LEDGER, CheckpointStore
from learners.distributed.storage import check_storage
from learners.learner import Learner
from learners.settings import TrainingSpec
from learners.sources.source import TrainingStopped
from rewards.storage_error import StorageError


@dataclass(frozen=True)
class Assignment:
    """What a worker of the group is started with, the same for all."""

    policy: PolicyConfig
    algorithm: AlgorithmConfig
    spec: TrainingSpec
    checkpoint_every: int
    ledger: LedgerClient
    weights: WeightStoreClient
    config: str = ""
    """the run's config, which its checkpoints keep"""
    start: int = 0
    """updates that were done when the run was begun or resumed; they are in a checkpoint"""
    profile: Path | None = None
    """the folder for the trace of an update; None: there is none"""
    storage: tuple[Path, str] = (Path(), "")
    """the run's directory, and the token in it (see `check_storage`); set by `fit`"""


def train_worker(config: dict[str, Any]) -> dict[str, Any]:
    """One rank of the worker group: `{"version": policies published}`, or `{"stopped": why}` if it cannot go on.

    consumes        this rank's share of each batch (indices `rank::world`)
    waits for       the ledger's next full batch, no longer than `learner.batch_deadline_s`; offline, its own files
    unblocked by    rollout actors that submit judged groups
    produces        adapters in the weight store (before the ledger settles the update), checkpoints
    """
    try:
        return {"version": _learn(config["assignment"])}
    except (TrainingStopped, FloatingPointError, StorageError, ValueError) as error:
        # Every rank meets these at the same point. Raised, they would be tried again `max_failures` times for nothing.
        return {"stopped": str(error)}


def _learn(a: Assignment) -> int:
    check_storage(*a.storage, node=ray.util.get_node_ip_address())

    from diffusers.utils.logging import disable_progress_bar
    from transformers.utils.logging import disable_progress_bar as disable_loading_bar

    disable_progress_bar()
    disable_loading_bar()
    torch.set_num_threads(a.spec.learner.threads)
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    policy = Policy.load(a.policy, a.spec.seed, get_device())
    if a.algorithm.data_set is not None and a.policy.train == "lora" and rank == 0:
        policy.exported()  # what could not be exported at the end is told before anything is trained
    learner = a.algorithm.learner(policy, a.spec)
    share = WorkerShare(rank, world, a.spec, _Batches(a.ledger), policy.picture_size, learner.gather)
    source = a.algorithm.source(share)
    store = CheckpointStore(a.storage[0])
    folder, lost = broadcast_from_rank_zero(_newest(a, store) if rank == 0 else (None, ""))
    if lost:
        raise TrainingStopped(lost)
    if folder is not None:
        learner.restore(folder)
    _take_over(a, learner, rank)
    timer, saved = UpdateTimer(), learner.version
    update = learner.update if a.profile is None else traced(learner.update, a.profile, f"learner-{rank}", learner)
    while a.spec.updates is None or learner.version < a.spec.updates:
        with timer("waiting"):
            batch = source.next_batch(learner.version)
        if batch is None:
            break
        with timer("training"):
            stats = update(batch)
        with timer("publishing"):
            adapter = learner.adapter()
            if rank == 0:
                a.weights.publish(adapter, learner.evaluated()).result()
        if rank == 0:
            # Only now: a ticket that the settlement admits must meet the new weights.
            a.ledger.settle(learner.version, stats | timer.read()).result()
        if learner.version % a.checkpoint_every == 0:
            with timer("saving"):
                _checkpoint(a, store, learner, rank)
            saved = learner.version
    if saved != learner.version:
        _checkpoint(a, store, learner, rank)
    return learner.version


def _take_over(a: Assignment, learner: Learner[Any], rank: int) -> None:
    """Makes weight store and ledger agree with this learner, which is new or comes from a checkpoint."""
    adapter = learner.adapter()
    if rank == 0:
        counts = a.ledger.counts().result()
        first = a.weights.version().result() is None
        a.weights.publish(adapter, learner.evaluated(), rollback=not first).result()
        if not first or counts["published"] != learner.version:
            # Weights first: the tickets that the rollback admits must meet the restored policy.
            a.ledger.rollback(learner.version).result()
    # No rank may ask for a batch that rank 0 is about to roll back.
    learner.barrier()


class _Batches:
    """The ledger's client as a `BatchLedger`, whose calls block."""

    def __init__(self, ledger: LedgerClient) -> None:
        self._ledger = ledger

    def batch(self, rank: int, world: int, version: int, wait_s: float) -> list[JudgedGroup] | None:
        try:
            return self._ledger.batch(rank, world, version, wait_s).result()
        except CallRefused as error:
            raise TrainingStopped(str(error)) from error

    def begin(self, version: int, wait_s: float) -> bool | None:
        return self._ledger.begin(version, wait_s).result()

    def counts(self) -> Mapping[str, Any]:
        return self._ledger.counts().result()


def _newest(a: Assignment, store: CheckpointStore) -> tuple[Path | None, str]:
    """The newest whole checkpoint that the ledger has come to, and why there is none although there should be.

    A later one is not this run's: it is damaged, or of a run that did not go on from what this one went on from.
    """
    found = store.newest(a.ledger.counts().result()["published"])
    if found.checkpoint is not None:
        return found.checkpoint.folder, ""
    why = found.damaged[0][:500] if found.damaged else "none is there"
    return None, f"{store.folder}: no checkpoint is whole any more; {why}" if a.start else ""


def _checkpoint(a: Assignment, store: CheckpointStore, learner: Learner[Any], rank: int) -> None:
    """Saves learner, ledger and config as of this update. Raises StorageError, on all ranks, if there is no room."""
    beside = {LEDGER: json.dumps(a.ledger.state().result()), CONFIG: a.config} if rank == 0 else None
    learner.save(store.path(learner.version), beside)
    if rank == 0:
        store.prune(learner.version)
