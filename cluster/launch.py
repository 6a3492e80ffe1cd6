"""`salon train`: the whole run, from a config to a trained adapter."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError

from actors.adapter import Adapter
from actors.policy import Policy
from actors.prompts import PromptList
from actors.quiet import quiet_libraries
from actors.rollout import RolloutError
from cluster.alarm_watch import AlarmWatch
from cluster.arithmetic import describe
from cluster.audit import Audit
from cluster.background import Background
from cluster.config import ExperimentConfig, dump_config
from cluster.crew import CrewLost, RolloutCrew
from cluster.exam import Exam
from cluster.history import RunHistory
from cluster.home import JURY, ray_home
from cluster.live import LiveCurves
from cluster.metrics import MetricsWriter
from cluster.preflight import preflight
from cluster.progress import Progress
from cluster.shells import spawn_ledger, spawn_weight_store
from cluster.stopped import RunStopped
from learners.worker import Assignment, TrainingStopped, fit, saved_ledger
from rewards.jury import running_replicas, serve_jury

POLL_S = 1.0
START_S = 300.0
FAREWELL_S = 10.0


def train(config: ExperimentConfig, run_dir: Path, resume: bool = False) -> None:
    """Runs `config` in `run_dir` until its last update; blocks.

    Raises PreflightError before anything starts, RunStopped when the run cannot go on. Everything that a resumed run
    needs is in `run_dir` by then.
    """
    preflight(config)
    quiet_libraries()
    for line in describe(config):
        print(line)
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "config.yaml").write_text(dump_config(config))
    heldout = [name for name, judge in config.rewards.judges.items() if judge.role == "audit"]
    with Progress(config.name, config.updates, heldout=heldout) as progress, ray_home(config.cluster):
        try:
            _train(config, run_dir, resume, heldout, progress)
        except (CrewLost, TrainingStopped, RolloutError) as error:
            raise RunStopped(str(error)) from error


def _train(config: ExperimentConfig, run_dir: Path, resume: bool, heldout: list[str], progress: Progress) -> None:
    progress.note("starting the judges")
    try:
        jury = serve_jury(config.rewards, JURY)
    except (ValueError, TimeoutError) as error:
        raise RunStopped(str(error)) from error
    state = saved_ledger(run_dir) if resume else None
    done = 0 if state is None else int(state["published"])
    ledger, weights = _offices(config, state)
    crew = RolloutCrew(config, ledger, weights, jury)
    crew.ready(START_S)
    with (
        MetricsWriter(
            run_dir,
            name=config.name,
            wandb=config.tracking.wandb,
            project=config.tracking.project,
            config=config.model_dump(mode="json"),
            resumed_at=done if resume else None,
        ) as writer,
        _audit(config, run_dir, done) as audit,
    ):
        exam = Exam(config, crew, run_dir, heldout, audit)
        history = RunHistory.read(run_dir)
        if done == 0 and history.evaluation("before") is None:
            progress.note("evaluating the policy as it is")
            exam.sit("before", writer)
        curves = LiveCurves(config.groups_per_update, heldout, writer, progress, history, config.alarm, audit)
        stop, newest = partial(_call, ledger.stop), partial(_call, weights.latest)
        watch = AlarmWatch(config, run_dir, done, stop=stop, newest=newest)
        learner = Background("learner", fit, _assignment(config, ledger, weights), run_dir.resolve())
        crew.roll()
        progress.note("training")
        try:
            while learner.running():
                learner.wait(POLL_S)
                for name in crew.check():
                    progress.note(f"{name} was dead for good and has been replaced")
                settled = curves.take(_events(ledger, curves.seen), crew.stats(), running_replicas(JURY))
                if settled:
                    watch.look(curves.alarms)
                for update in settled:
                    if config.evaluation.due(update) and update < config.updates:
                        exam.sit(str(update), writer)
        except BaseException:
            # Ctrl-C, too: what the ledger has heard by then belongs in the curves and in the audit.
            with suppress(RunStopped):
                curves.take(_events(ledger, curves.seen, FAREWELL_S), [])
            raise
        curves.take(_events(ledger, curves.seen), crew.stats())
        learner.result()
        adapter = watch.adapter(curves.alarms)
        _save_lora(config, adapter, run_dir)
        examined = RunHistory.read(run_dir).evaluation("after")
        if examined is None or examined["update"] != adapter.version:
            progress.note("evaluating the trained policy")
            exam.sit("after", writer, adapter)
    crew.dismiss()
    watch.close(curves.alarms, adapter)


def _audit(config: ExperimentConfig, run_dir: Path, done: int) -> AbstractContextManager[Audit | None]:
    return Audit(run_dir, config.audit, config.groups_per_update, done) if config.audit.enabled else nullcontext()


def _offices(config: ExperimentConfig, state: dict[str, Any] | None) -> tuple[ActorHandle, ActorHandle]:
    prompts = PromptList(config.prompts.file)
    ledger = spawn_ledger(
        partial(prompts.at, seed=config.seed),
        num_cpus=config.cluster.service_cpus,
        state=state,
        seed=config.seed,
        groups_per_update=config.groups_per_update,
        samples_per_prompt=config.samples_per_prompt,
        max_lag=config.max_lag,
        updates=config.updates,
        # The actor gives a late ticket up itself; the ledger's own deadline is for actors that cannot.
        deadline_s=1.5 * config.actors.ticket_deadline_s + config.actors.call_deadline_s,
        max_failures=config.cluster.group_failures,
    )
    return ledger, spawn_weight_store(num_cpus=config.cluster.service_cpus)


def _events(ledger: ActorHandle, since: int, timeout_s: float | None = None) -> list[dict[str, Any]]:
    try:
        rows: Any = ray.get(ledger.events.remote(since), timeout=timeout_s)
    except (RayActorError, GetTimeoutError) as error:
        raise RunStopped("the ledger died, and with it the run's books; continue with --resume") from error
    return rows


def _call(method: Any) -> Any:
    return ray.get(method.remote())


def _assignment(config: ExperimentConfig, ledger: ActorHandle, weights: ActorHandle) -> Assignment:
    return Assignment(
        policy=config.policy,
        sampler=config.sampler,
        learner=config.learner,
        seed=config.seed,
        groups_per_update=config.groups_per_update,
        samples_per_prompt=config.samples_per_prompt,
        updates=config.updates,
        checkpoint_every=config.checkpoint_every,
        ledger=ledger,
        weights=weights,
        rewards=config.rewards,
    )


def _save_lora(config: ExperimentConfig, adapter: Adapter, run_dir: Path) -> None:
    policy = Policy.load(config.policy, config.seed)
    policy.load_adapter(adapter)
    policy.save_lora(run_dir / "lora")
