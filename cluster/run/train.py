"""`salon train`: the whole run, from a config to a trained adapter."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError

from actors.prompts import PromptList
from actors.rollout import RolloutError
from cluster.atomic_write import atomic_write
from cluster.config.batch_summary import describe
from cluster.config.experiment import ExperimentConfig, dump_config
from cluster.errors import RunStopped
from cluster.ledger.ray_actors import LEDGER, WEIGHTS, spawn_ledger, spawn_weight_store
from cluster.run.alarm_watch import AlarmWatch
from cluster.run.background import Background
from cluster.run.crew import CrewLost, RolloutCrew
from cluster.run.evaluator import Evaluator
from cluster.run.preflight import preflight
from cluster.run.ray_runtime import ray_home
from cluster.run.run_lock import check_resumable, run_lock
from cluster.tracking.audit import Audit
from cluster.tracking.history import CONFIG_FILE, RunHistory
from cluster.tracking.judges import RunJudges
from cluster.tracking.live import LiveCurves
from cluster.tracking.metrics import MetricsWriter
from cluster.tracking.progress import Progress
from learners.distributed.trainer import fit, saved_ledger
from learners.distributed.worker import Assignment
from learners.sources.source import TrainingStopped
from rewards.pretrained import quiet_libraries
from rewards.serving.jury import JuryHandle, running_replicas, serve_jury

POLL_S = 1.0
FAREWELL_S = 10.0


def train(config: ExperimentConfig, run_dir: Path, resume: bool = False) -> None:
    """Runs `config` in `run_dir` until its last update; blocks.

    Raises PreflightError and RunBusyError before anything starts, RunStopped when the run cannot go on. Everything that
    a resumed run needs is in `run_dir` by then.
    """
    preflight(config)
    quiet_libraries()
    with run_lock(run_dir):
        saved = saved_ledger(run_dir) if resume else None
        if resume:
            check_resumable(run_dir, config, saved)
        for line in describe(config):
            print(line)
        with atomic_write(run_dir / CONFIG_FILE) as part:
            part.write_text(dump_config(config), encoding="utf-8")
        with (
            Progress(config.name, config.updates, audit_judges=config.audit_judges) as progress,
            # First, because its key may be wrong, and nobody wants to hear that when the models are loaded.
            _writer(config, run_dir, _done(saved) if resume else None) as writer,
            ray_home(config.cluster),
        ):
            try:
                progress.note("starting the judges")
                app = _application(config, run_dir)
                with _jury(config, app) as jury:
                    _train(config, run_dir, saved, jury, partial(running_replicas, app), progress, writer)
            except (CrewLost, TrainingStopped, RolloutError) as error:
                raise RunStopped(str(error)) from error


def _train(
    config: ExperimentConfig,
    run_dir: Path,
    saved: dict[str, Any] | None,
    jury: JuryHandle,
    replicas: Callable[[], dict[str, int]],
    progress: Progress,
    writer: MetricsWriter,
) -> None:
    judges, done = RunJudges.from_settings(config.rewards), _done(saved)
    ledger, weights = _offices(config, saved)
    crew = RolloutCrew(config, weights, jury)
    crew.ready()
    with _audit(config, run_dir, done) as audit:
        evaluator = Evaluator(config, crew, run_dir, judges, audit)
        history = RunHistory.read(run_dir)
        if done == 0 and history.evaluation("before") is None:
            progress.note("evaluating the policy as it is")
            evaluator.evaluate("before", writer)
        curves = LiveCurves(judges, writer, progress, history, config.alarm, audit)
        stop, newest = partial(_call, ledger.stop), partial(_call, weights.latest)
        watch = AlarmWatch(config, run_dir, done, stop=stop, newest=newest, initial=crew.initial)
        learner = Background("learner", fit, _assignment(config, ledger, weights), run_dir.resolve())
        if done == 0:
            crew.roll()
        progress.note("training")
        try:
            while learner.running():
                learner.wait(POLL_S)
                if not crew.rolling:
                    if _call(weights.version) is None:
                        continue  # a resumed run's policy is the learner's alone, until it has loaded and published it
                    crew.roll()
                for name in crew.check():
                    progress.note(f"{name} was dead for good and has been replaced")
                settled = curves.take(_events(ledger, curves.seen), crew.stats(), replicas())
                if settled:
                    watch.look(curves.alarms)
                for update in settled:
                    if config.evaluation.due(update) and update < config.updates:
                        evaluator.evaluate(str(update), writer)
        except BaseException:
            # Ctrl-C, too: what the ledger has heard by then belongs in the curves and in the audit.
            with suppress(RunStopped):
                curves.take(_events(ledger, curves.seen, FAREWELL_S), [])
            raise
        curves.take(_events(ledger, curves.seen), crew.stats())
        learner.result()
        adapter = watch.adapter(curves.alarms)
        _save_lora(crew.exported(adapter), run_dir / "lora")
        examined = RunHistory.read(run_dir).evaluation("after")
        if examined is None or examined["update"] != adapter.version:
            progress.note("evaluating the trained policy")
            evaluator.evaluate("after", writer, adapter)
    crew.dismiss()
    watch.close(curves.alarms, adapter)


@contextmanager
def _jury(config: ExperimentConfig, app: str) -> Iterator[JuryHandle]:
    """The judges as the Serve application `app`, which ends with the block."""
    try:
        try:
            jury = serve_jury(config.rewards, app)
        except (ValueError, TimeoutError) as error:
            raise RunStopped(str(error)) from error
        yield jury
    finally:
        if config.cluster.address is not None:  # a Ray of our own takes its Serve with it
            with suppress(Exception):  # Ray may be the thing that broke
                serve.delete(app)


def _application(config: ExperimentConfig, run_dir: Path) -> str:
    """The name of a run's jury: of no other's on the same cluster, and the same when the run is resumed."""
    where = f"{socket.gethostname()}:{run_dir.resolve()}"
    return f"jury-{config.name}-{sha256(where.encode()).hexdigest()[:8]}"


def _done(saved: dict[str, Any] | None) -> int:
    """The updates that the checkpoint holds which the run goes on from."""
    return 0 if saved is None else int(saved["published"])


def _writer(config: ExperimentConfig, run_dir: Path, resumed_at: int | None) -> MetricsWriter:
    return MetricsWriter(
        run_dir,
        name=config.name,
        wandb=config.tracking.wandb,
        project=config.tracking.project,
        config=config.model_dump(mode="json"),
        resumed_at=resumed_at,
    )


def _audit(config: ExperimentConfig, run_dir: Path, done: int) -> AbstractContextManager[Audit | None]:
    return Audit(run_dir, config.audit, config.groups_per_update, done) if config.audit.enabled else nullcontext()


def _offices(config: ExperimentConfig, state: dict[str, Any] | None) -> tuple[ActorHandle, ActorHandle]:
    prompts = PromptList(config.prompts.file)
    ledger = spawn_ledger(
        partial(prompts.at, seed=config.seed),
        num_cpus=config.cluster.service_cpus,
        name=LEDGER,
        state=state,
        seed=config.seed,
        groups_per_update=config.groups_per_update,
        samples_per_prompt=config.samples_per_prompt,
        max_lag=config.max_lag,
        updates=config.updates,
        deadline_s=config.actors.lost_after_s,
        max_failures=config.cluster.group_failures,
    )
    return ledger, spawn_weight_store(num_cpus=config.cluster.service_cpus, name=WEIGHTS)


def _events(ledger: ActorHandle, since: int, timeout_s: float | None = None) -> list[dict[str, Any]]:
    try:
        rows: Any = ray.get(ledger.events.remote(since), timeout=timeout_s)
    except (RayActorError, GetTimeoutError) as error:
        raise RunStopped("the ledger died, and with it the run's books; continue with --resume") from error
    return rows


def _call(method: Any) -> Any:
    try:
        return ray.get(method.remote())
    except RayActorError as error:
        raise RunStopped("the ledger or the weight store died; continue with --resume") from error


def _assignment(config: ExperimentConfig, ledger: ActorHandle, weights: ActorHandle) -> Assignment:
    return Assignment(
        policy=config.policy,
        algorithm=config.learner.algorithm,
        spec=config.training,
        checkpoint_every=config.checkpoint_every,
        ledger=ledger,
        weights=weights,
    )


def _save_lora(files: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        with atomic_write(folder / name) as part:
            part.write_bytes(content)
