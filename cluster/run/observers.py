# pyright: strict
"""Observers: the curves, audit, alarms and evaluations of a run, behind one object."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from actors.adapter import Adapter
from actors.clients import ServiceLost
from cluster.config.experiment import ExperimentConfig
from cluster.errors import RunStopped
from cluster.run.alarm_watch import AlarmWatch
from cluster.run.evaluator import Evaluator
from cluster.run.services import Services
from cluster.tracking.audit import Audit
from cluster.tracking.history import RunHistory
from cluster.tracking.judges import RunJudges
from cluster.tracking.live import LiveCurves
from cluster.tracking.metrics import MetricsWriter
from cluster.tracking.progress import Progress
from cluster.tracking.tracking import open_trackers
from rewards.storage_error import StorageError

FAREWELL_S = 10.0
POLL_S = 1.0


class Observers:
    """Watches a run: each `look` takes in what has happened since the last.

    consumes        the ledger's events, each once; the statistics of the rollout actors and the judges' replicas
    produces        rows of `metrics.jsonl` and W&B, the progress display, the audit, alarms and what they lead to,
                    evaluations when they are due
    """

    def __init__(
        self,
        config: ExperimentConfig,
        run_dir: Path,
        done: int,
        services: Services,
        audit: Audit | None,
        progress: Progress,
        writer: MetricsWriter,
    ) -> None:
        self._config, self._run_dir, self._done, self._services = config, run_dir, done, services
        self._progress, self._writer = progress, writer
        history = RunHistory.read(run_dir)
        judges = RunJudges.from_settings(config.rewards)
        self._evaluator = Evaluator(config, services.crew, run_dir, judges, audit, writer, progress.note)
        self._curves = LiveCurves(judges, writer, progress, history, config.alarm, audit)
        self._missed = done if 0 < done < config.updates and config.evaluation.due(done) else None
        self._watch = AlarmWatch(
            config,
            run_dir,
            done,
            stop=lambda: services.ledger.stop().result(),
            newest=self._newest,
            initial=services.exports.initial,
        )

    def before(self) -> None:
        """Evaluates the policy that training begins with, unless the run did so before it was resumed."""
        if self._done == 0 and self._config.evaluates:
            adapter = self._services.weights.evaluated().result() or self._services.exports.initial()
            self._evaluator.begin("before", adapter, self._made())
            self._evaluate("before training")

    @contextmanager
    def training(self) -> Generator[None]:
        """Context manager: however the block ends, by Ctrl-C too, curves and audit have all events of the ledger."""
        try:
            yield
        except StorageError:
            raise  # the events stay in the ledger, whose next checkpoint has them for the run that goes on
        except BaseException:
            with suppress(ServiceLost, RunStopped):
                self._curves.take(self._services.ledger.events(self._curves.seen).result(FAREWELL_S), [])
            raise
        self._curves.take(self._services.ledger.events(self._curves.seen).result(), self._services.stats)

    def look(self) -> None:
        """Takes in what is new; evaluates when that is due, which goes on from look to look."""
        services, curves = self._services, self._curves
        self.look_after_crew()
        if self._missed is not None:
            self._make_up(self._missed)
        events = services.ledger.events(curves.seen).result()
        settled = curves.take(events, services.stats, services.replicas())
        for event in events:
            if event["kind"] == "rollback":
                self._evaluator.rewind(int(event["version"]))
        if settled:
            self._watch.look(curves.alarms)
        for update in settled:
            if self._config.evaluation.due(update) and update < self._config.updates:
                self._evaluator.begin(str(update), self._newest())
        self._evaluator.tick()

    def look_after_crew(self) -> None:
        """Says what has become of the rollout actors."""
        for note in self._services.check():
            self._progress.note(note)

    def adapter(self) -> Adapter:
        """The adapter to publish at the end: the newest, or an earlier one if an alarm says so."""
        return self._watch.adapter(self._curves.alarms)

    def after(self, adapter: Adapter) -> None:
        """Evaluates the `adapter` that is published, unless the run did so before it was resumed."""
        self._evaluator.begin("after", adapter, self._made())
        self._evaluate("after training")

    def close(self, adapter: Adapter) -> None:
        """Raises AlarmRang when an alarm ended the run; `adapter` is the one that was published."""
        self._watch.close(self._curves.alarms, adapter)

    def _make_up(self, update: int) -> None:
        """A run that was stopped after `update` may not have come to its evaluation; the policy is here now."""
        self._missed = None
        adapter = self._newest()
        if adapter.version == update:
            self._evaluator.begin(str(update), adapter, self._made())

    def _made(self) -> list[dict[str, Any]]:
        """The evaluations that the run has."""
        history = RunHistory.read(self._run_dir)
        return [*history.evaluations, *history.plain_evaluations]

    def _evaluate(self, when: str) -> None:
        """Goes on until no evaluation is left."""
        if self._evaluator.busy:
            self._progress.note(f"evaluating the policy {when}")
        while self._evaluator.busy:
            self.look_after_crew()
            self._evaluator.tick(POLL_S)

    def _newest(self) -> Adapter:
        adapter = self._services.weights.evaluated().result()
        assert adapter is not None, "the learner publishes what it starts from before it settles an update"
        return adapter


def metrics_writer(config: ExperimentConfig, run_dir: Path, resumed_at: int | None) -> MetricsWriter:
    """The writer of the run's rows; raises PreflightError if one of its trackers cannot be used."""
    trackers = open_trackers(config.tracking, run_dir, config.name, config.model_dump(mode="json"), resumed_at)
    return MetricsWriter(run_dir, trackers, resumed_at=resumed_at)


def open_audit(config: ExperimentConfig, run_dir: Path, done: int) -> AbstractContextManager[Audit | None]:
    """The audit of a run that begins, or goes on, with `done` updates; none if `audit.enabled` is false."""
    wanted = config.audit.enabled and config.draws
    return Audit(run_dir, config.audit, config.groups_per_update, done) if wanted else nullcontext()
