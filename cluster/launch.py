"""`salon train`: the whole run, from a config to a trained adapter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError

from actors.policy import Policy
from actors.prompts import PromptList
from actors.quiet import quiet_libraries
from actors.rollout import RolloutError
from cluster.alarm import hacking_alarms, watched_keys
from cluster.arithmetic import describe
from cluster.config import ExperimentConfig, dump_config
from cluster.crew import CrewLost, RolloutCrew
from cluster.exam import Exam
from cluster.history import RunHistory
from cluster.home import ray_home
from cluster.metrics import MetricsWriter
from cluster.preflight import preflight
from cluster.progress import Progress
from cluster.rows import UpdateRows
from cluster.shells import spawn_ledger, spawn_weight_store
from cluster.stopped import RunStopped
from learners.worker import Assignment, TrainingStopped, fit, saved_ledger
from rewards.jury import serve_jury

POLL_S = 1.0
START_S = 300.0


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
        jury = serve_jury(config.rewards)
    except (ValueError, TimeoutError) as error:
        raise RunStopped(str(error)) from error
    state = saved_ledger(run_dir) if resume else None
    done = 0 if state is None else int(state["published"])
    ledger, weights = _offices(config, state)
    crew = RolloutCrew(config, ledger, weights, jury)
    crew.ready(START_S)
    exam = Exam(config, crew, run_dir, heldout)
    with MetricsWriter(
        run_dir,
        name=config.name,
        wandb=config.tracking.wandb,
        project=config.tracking.project,
        config=config.model_dump(mode="json"),
        resumed_at=done if resume else None,
    ) as writer:
        history = RunHistory.read(run_dir)
        if done == 0 and history.evaluation("before") is None:
            progress.note("evaluating the policy as it is")
            exam.sit("before", writer)
        learner = Background(lambda: fit(_assignment(config, ledger, weights), run_dir))
        images = int(history.updates[-1].get("images", 0)) if history.updates else 0
        curves = LiveCurves(config, ledger, crew, writer, progress, exam, heldout, history.updates, images)
        crew.roll()
        progress.note("training")
        while learner.running():
            curves.poll()
            learner.wait(POLL_S)
        curves.poll()
        learner.result()
        adapter = ray.get(weights.latest.remote())
        _save_lora(config, adapter, run_dir)
        if RunHistory.read(run_dir).evaluation("after") is None:
            progress.note("evaluating the trained policy")
            exam.sit("after", writer)
    crew.dismiss()


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
    )


def _save_lora(config: ExperimentConfig, adapter: Any, run_dir: Path) -> None:
    policy = Policy.load(config.policy, config.seed)
    policy.load_adapter(adapter)
    policy.save_lora(run_dir / "lora")


class Background:
    """A function in a thread of its own: Ray Train blocks where it is called, and the run must stay answerable."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._result: Any = None
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._result = work()
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=run, daemon=True, name="learner")
        self._thread.start()

    def running(self) -> bool:
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        self._thread.join(seconds)

    def result(self) -> Any:
        """What the function returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._result


@dataclass
class LiveCurves:
    """Turns what happens in the run into rows, curves, progress and alarms.

    consumes        the ledger's events, the actors' statistics
    produces        one row per settled update in the writer; notes and alarms in the progress display
    """

    config: ExperimentConfig
    ledger: ActorHandle
    crew: RolloutCrew
    writer: MetricsWriter
    progress: Progress
    exam: Exam
    heldout: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    images: int = 0

    def __post_init__(self) -> None:
        self.rows = list(self.rows)
        self._maker = UpdateRows(self.config.groups_per_update, self.images)
        self._seen = 0
        self._rung: set[str] = set()

    def poll(self) -> None:
        """Takes in what has happened since the last call; raises CrewLost when nobody is left to go on."""
        for name in self.crew.check():
            self.progress.note(f"{name} was dead for good and has been replaced")
        stats = self.crew.stats()
        try:
            events: Any = ray.get(self.ledger.events.remote(self._seen))
        except RayActorError as error:
            raise RunStopped("the ledger died, and with it the run's books; continue with --resume") from error
        for event in events:
            self._seen = event["number"]
            self._happened(event, stats)

    def _happened(self, event: dict[str, Any], stats: list[dict[str, Any]]) -> None:
        row = self._maker.take(event, stats)
        if event["kind"] == "rollback":
            self.writer.rewind(event["version"])
            self.rows = [r for r in self.rows if r["update"] <= event["version"]]
            self.progress.note(f"the learner restarted from its checkpoint at update {event['version']}")
        if event["kind"] == "drop" and event["reason"] not in ("rolled back", "restored"):
            self.progress.note(f"a group of {event['prompt']!r} is made again: {event['reason']}")
        if row is None:
            return
        update = int(event["version"])
        written = self.writer.update(update, row)
        self.rows.append(written)
        self.progress.update(written)
        for alarm in hacking_alarms(self.rows, watched_keys(self.heldout)):
            if alarm.key not in self._rung:
                self._rung.add(alarm.key)
                self.progress.alarm(f"This may be reward hacking. {alarm.text}")
                self.writer.alarm(update, "reward hacking?", alarm.text)
        every = self.config.evaluation.every
        if every and update % every == 0 and update < self.config.updates:
            self.exam.sit(str(update), self.writer)
