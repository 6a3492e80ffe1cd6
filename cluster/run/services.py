# pyright: strict
"""The services of a run, started in order: jury, ledger, weight store, rollout actors."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Mapping, Sequence
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
from cluster.run.exporter import Exporter, Exports
from cluster.tracking.progress import Progress
from learners.distributed.worker import Assignment
from rewards.atomic_write import atomic_write
from rewards.serving.jury import JuryHandle, apps_named, find_jury, running_replicas, serve_jury, withdraw_jury

TOKEN_FILE = "jury.token"
TRAINING = "prompts.file"


@dataclass(frozen=True, slots=True)
class Services:
    """The jury, the ledger, the weight store and the rollout actors of a run; an offline run without evaluations has
    neither jury nor rollout actors."""

    jury: str | None
    """the name of its Serve application"""
    ledger: LedgerClient
    weights: WeightStoreClient
    crew: RolloutCrew | None
    exports: Exports

    def replicas(self) -> dict[str, int]:
        """Judge → replicas that answer at this moment."""
        return {} if self.jury is None else running_replicas(self.jury)

    def check(self) -> list[str]:
        """What is new of the rollout actors, in words."""
        return [] if self.crew is None else self.crew.check()

    @property
    def stats(self) -> Sequence[Mapping[str, Any]]:
        """The statistics of the rollout actors, as of the last `check`."""
        return [] if self.crew is None else self.crew.stats

    def dismiss(self) -> None:
        """Ends the rollout actors."""
        if self.crew is not None:
            self.crew.dismiss()


@contextmanager
def running_services(
    config: ExperimentConfig,
    run_dir: Path,
    saved: dict[str, Any] | None,
    progress: Progress,
    profile: Path | None = None,
) -> Generator[Services]:
    """Context manager: starts the services, the ledger from the state that a checkpoint has `saved`, and waits for all.
    Rollout actors trace a group into the folder `profile`.

    Raises RunStopped, with the reason, when one of them does not come up.
    """
    if not config.draws:
        ledger, weights = _ledger(config, saved), _weight_store(config)
        yield Services(None, ledger, weights, None, Exporter(config.policy, config.seed))
        return
    app = jury_name(config, run_dir)
    progress.note("starting the judges")
    with _jury(config, app, progress.note) as jury:
        ledger, weights = _ledger(config, saved), _weight_store(config)
        crew = RolloutCrew(config, ledger, jury, profile=profile)
        crew.ready()
        yield Services(app, ledger, weights, crew, crew)


def jury_name(config: ExperimentConfig, run_dir: Path) -> str:
    """The name of a run's jury: of no other run's, and the same when the run is resumed with the same judges."""
    judges = _digest(config.rewards.model_dump_json())
    return f"jury-{config.name}-{_token(run_dir)}_{judges}"


def _token(run_dir: Path) -> str:
    """What tells a run from all others, from wherever it is started; a copy of its folder is another run."""
    file = run_dir / TOKEN_FILE
    if not file.is_file():
        with atomic_write(file) as part:
            part.write_text(secrets.token_hex(8))
    return _digest(f"{file.read_text('ascii', 'replace')} {run_dir.stat().st_ino}")


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def learner_assignment(
    config: ExperimentConfig, services: Services, done: int, profile: Path | None = None
) -> Assignment:
    """What every worker of the learner works by, in a run that begins, or goes on, with `done` updates; it traces an
    update into the folder `profile`."""
    return Assignment(
        policy=config.policy,
        algorithm=config.learner.algorithm,
        spec=config.training,
        checkpoint_every=config.checkpoint_every,
        ledger=services.ledger,
        weights=services.weights,
        config=dump_config(config),
        start=done,
        profile=profile,
    )


@contextmanager
def _jury(config: ExperimentConfig, app: str, say: Callable[[str], None]) -> Generator[JuryHandle]:
    # A Ray of our own takes its Serve with it.
    shared = config.cluster.address is not None
    try:
        try:
            jury = _left_behind(config, app, say) if shared else None
            jury = jury or serve_jury(config.rewards, app)
        except (ValueError, TimeoutError) as error:
            raise RunStopped(str(error)) from error
        yield jury
    finally:
        if shared:
            withdraw_jury(app)


def _left_behind(config: ExperimentConfig, app: str, say: Callable[[str], None]) -> JuryHandle | None:
    """The jury that an earlier process of this run left on the cluster when it was killed; those of its that ask other
    judges, or do not run, are removed."""
    jury = find_jury(config.rewards, app)
    if jury is not None:
        say("going on with the judges that this run left on the cluster")
    for left in apps_named(app.rpartition("_")[0]):
        if jury is None or left != app:
            say(f"removing judges that this run left on the cluster ({left})")
            withdraw_jury(left)
    return jury


def _weight_store(config: ExperimentConfig) -> WeightStoreClient:
    return spawn_weight_store(num_cpus=config.cluster.service_cpus, name=WEIGHTS)


def _ledger(config: ExperimentConfig, saved: dict[str, Any] | None) -> LedgerClient:
    return spawn_ledger(
        _no_prompt if config.offline else partial(PromptList(config.prompt_files[TRAINING]).at, seed=config.seed),
        num_cpus=config.cluster.service_cpus,
        name=LEDGER,
        state=saved,
        seed=config.seed,
        groups_per_update=0 if config.offline else config.groups_per_update,
        samples_per_prompt=config.samples_per_prompt,
        max_lag=config.max_lag,
        updates=config.updates,
        deadline_s=config.actors.lost_after_s,
        max_failures=config.cluster.group_failures,
    )


def _no_prompt(index: int) -> tuple[str, Mapping[str, Any]]:
    raise IndexError(f"an offline run has no ticket {index}")
