# pyright: strict
"""The services of a run, started in order: jury, ledger, weight store, rollout actors."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from actors.clients import LEDGER, WEIGHTS, LedgerClient, WeightStoreClient
from actors.prompts import PromptList
from cluster.config.experiment import ExperimentConfig, dump_config
from cluster.crew.crew import RolloutCrew
from cluster.errors import RunStopped
from cluster.ledger.ray_actors import spawn_ledger, spawn_weight_store
from cluster.tracking.progress import Progress
from learners.distributed.worker import Assignment
from rewards.serving.jury import JuryHandle, running_replicas, serve_jury, withdraw_jury


@dataclass(frozen=True, slots=True)
class Services:
    """The jury, the ledger, the weight store and the rollout actors of a run."""

    jury: str
    """the name of its Serve application"""
    ledger: LedgerClient
    weights: WeightStoreClient
    crew: RolloutCrew

    def replicas(self) -> dict[str, int]:
        """Judge → replicas that answer at this moment."""
        return running_replicas(self.jury)


@contextmanager
def running_services(
    config: ExperimentConfig, run_dir: Path, saved: dict[str, Any] | None, progress: Progress
) -> Generator[Services]:
    """Context manager: starts the services, the ledger from the state that a checkpoint has `saved`, and waits for all.

    Raises RunStopped, with the reason, when one of them does not come up.
    """
    app = jury_name(config, run_dir)
    progress.note("starting the judges")
    with _jury(config, app) as jury:
        ledger = _ledger(config, saved)
        weights = spawn_weight_store(num_cpus=config.cluster.service_cpus, name=WEIGHTS)
        crew = RolloutCrew(config, ledger, jury)
        crew.ready()
        yield Services(app, ledger, weights, crew)


def jury_name(config: ExperimentConfig, run_dir: Path) -> str:
    """The name of a run's jury: of no other's on the same cluster, and the same when the run is resumed."""
    where = f"{socket.gethostname()}:{run_dir.resolve()}"
    return f"jury-{config.name}-{sha256(where.encode()).hexdigest()[:8]}"


def learner_assignment(config: ExperimentConfig, services: Services, done: int) -> Assignment:
    """What every worker of the learner works by, in a run that begins, or goes on, with `done` updates."""
    return Assignment(
        policy=config.policy,
        algorithm=config.learner.algorithm,
        spec=config.training,
        checkpoint_every=config.checkpoint_every,
        ledger=services.ledger,
        weights=services.weights,
        config=dump_config(config),
        start=done,
    )


@contextmanager
def _jury(config: ExperimentConfig, app: str) -> Generator[JuryHandle]:
    try:
        try:
            jury = serve_jury(config.rewards, app)
        except (ValueError, TimeoutError) as error:
            raise RunStopped(str(error)) from error
        yield jury
    finally:
        if config.cluster.address is not None:  # a Ray of our own takes its Serve with it
            withdraw_jury(app)


def _ledger(config: ExperimentConfig, saved: dict[str, Any] | None) -> LedgerClient:
    prompts = PromptList(config.prompts.file)
    return spawn_ledger(
        partial(prompts.at, seed=config.seed),
        num_cpus=config.cluster.service_cpus,
        name=LEDGER,
        state=saved,
        seed=config.seed,
        groups_per_update=config.groups_per_update,
        samples_per_prompt=config.samples_per_prompt,
        max_lag=config.max_lag,
        updates=config.updates,
        deadline_s=config.actors.lost_after_s,
        max_failures=config.cluster.group_failures,
    )
