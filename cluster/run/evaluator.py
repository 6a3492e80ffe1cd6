# pyright: strict
"""Evaluation: pictures of fixed prompts and seeds, so that two policies can be compared picture by picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from actors.adapter import Adapter
from actors.audit import judged_pictures
from cluster.config.experiment import ExperimentConfig
from cluster.crew.evaluation_pictures import EvaluationPictures
from cluster.crew.health import CrewLost
from cluster.crew.picture_shares import PictureShares
from cluster.report.grid import SampleGrid
from cluster.tracking.audit import Audit
from cluster.tracking.conditions import KEY, Conditions
from cluster.tracking.evaluation import measure, to_row
from cluster.tracking.history import PLAIN, SAMPLING
from cluster.tracking.judges import RunJudges
from cluster.tracking.metrics import MetricsWriter
from rewards.verdict import Verdict

SHOWN_PROMPTS, SHOWN_SAMPLES = 12, 8
# The actors that may die over the same pictures; more, and it is the pictures that kill them.
LOSSES = 10


class Crew(Protocol):
    """What an evaluation asks of the rollout actors; `cluster.crew.crew.RolloutCrew` has it."""

    @property
    def reachable(self) -> Sequence[str]: ...

    def share(self, adapter: Adapter) -> Any: ...

    def draw(
        self,
        name: str,
        prompts: Sequence[str],
        seeds: Sequence[int],
        metadata: Sequence[Mapping[str, Any]],
        adapter: Any,
        *,
        plain: bool,
    ) -> Any: ...

    def collect(self, calls: Sequence[Any], wait_s: float = 0.0) -> Mapping[Any, Any]: ...


@dataclass(slots=True)
class _Evaluation:
    """One that was asked for: `when`, by which policy, what, and once it has begun, who draws what."""

    when: str
    adapter: Adapter
    pictures: EvaluationPictures
    shared: Any = None
    shares: PictureShares | None = None
    calls: dict[Any, tuple[int, str]] = field(default_factory=dict[Any, tuple[int, str]])


class Evaluator:
    """The first `evaluation.prompts` held-out prompts, drawn in two ways and scored by all judges: `evaluation.samples`
    pictures each as in training, and `evaluation.plain_samples` each as plain diffusers does by itself.

    Evaluations are asked for (`begin`), and go on one after another whenever `tick` is called, which waits for nobody.
    What an actor that is gone has not drawn another one draws, to the same bits. `say` gets lines for the user. Without
    a crew there are no evaluations.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        crew: Crew | None,
        run_dir: Path,
        judges: RunJudges,
        audit: Audit | None,
        writer: MetricsWriter,
        say: Callable[[str], None],
    ) -> None:
        pictures = {False: config.evaluation.samples, True: config.evaluation.plain_samples}
        ways = [plain for plain, samples in pictures.items() if samples and config.evaluates]
        self._sets = [EvaluationPictures.of(config, plain=plain) for plain in ways]
        self._errors = config.actors.same_error_limit
        self._crew, self._run_dir, self._judges, self._audit = crew, run_dir, judges, audit
        self._writer, self._say = writer, say
        self._queue: deque[_Evaluation] = deque()

    def begin(self, when: str, adapter: Adapter, made: Sequence[Mapping[str, Any]] = ()) -> None:
        """Asks for an evaluation of `adapter`; what is in the rows `made`, of the same policy, is not made again."""
        there = [row.get(SAMPLING) == PLAIN for row in made if row["when"] == when and row["update"] == adapter.version]
        self._queue.extend(_Evaluation(when, adapter, its) for its in self._sets if its.plain not in there)

    @property
    def busy(self) -> bool:
        """Whether an evaluation has not ended."""
        return bool(self._queue)

    def rewind(self, version: int) -> None:
        """Forgets the evaluations of later policies, which are about to be made again."""
        self._queue = deque(its for its in self._queue if its.adapter.version <= version)

    def tick(self, wait_s: float = 0.0) -> None:
        """Takes in what is drawn, and has the next pictures drawn; waits `wait_s` at most. Writes metrics and grid of
        an evaluation that is done. Where the same pictures fail again and again, the evaluation is left out with a
        line, but for one before training: raises CrewLost there, when nothing is lost yet."""
        if not self._queue:
            return
        its, crew = self._queue[0], self._crew
        assert crew is not None, "without a crew there are no sets"
        asked = its.pictures
        if its.shares is None:
            its.shares = PictureShares(asked.parts, errors=self._errors, losses=LOSSES)
            its.shared = crew.share(its.adapter)
        try:
            self._take(crew, its, its.shares, wait_s)
        except CrewLost as error:
            if its.when == "before":
                raise
            self._queue.popleft()
            self._say(f"the evaluation {_place(its.when)} is left out: {error}")
            return
        for actor, part in its.shares.hand_out(crew.reachable, [actor for _, actor in its.calls.values()]):
            here = its.shares.where(part)
            drawn = crew.draw(actor, *asked.questions(here), its.shared, plain=asked.plain)
            its.calls[drawn] = part, actor
        if its.shares.done:
            self._queue.popleft()
            self._write(its.when, asked, its.shares.answers)

    def _take(self, crew: Crew, its: _Evaluation, shares: PictureShares, wait_s: float) -> None:
        for call, outcome in crew.collect(list(its.calls), wait_s).items():
            part, actor = its.calls.pop(call)
            if outcome.lost:
                shares.lost(part, outcome.why)
            elif outcome.error is not None:
                shares.failed(part, actor, outcome.why)
            else:
                shares.answered(part, outcome.answer)
        for call, (part, actor) in list(its.calls.items()):
            if actor not in crew.reachable:
                del its.calls[call]
                shares.lost(part, f"{actor} cannot be reached")

    def _write(self, when: str, asked: EvaluationPictures, answers: Sequence[Mapping[str, Any]]) -> None:
        texts = asked.texts
        images = np.concatenate([answer["images"] for answer in answers])
        verdicts: dict[str, list[Verdict]] = {
            judge: [verdict for answer in answers for verdict in answer["verdicts"][judge]]
            for judge in answers[0]["verdicts"]
        }
        version: int = answers[0]["version"]
        judge, flawless = self._flaw_finder(verdicts)
        rows = asked.rows(SHOWN_PROMPTS, SHOWN_SAMPLES)
        grid = SampleGrid(
            prompts=[texts[row.start] for row in rows],
            images=np.stack([images[row.start : row.stop] for row in rows]),
            seeds=[list(asked.seeds[row.start : row.stop]) for row in rows],
            answers=[[judge[i].text if judge else "" for i in row] for row in rows],
            clean=[[_flawless(judge[i], flawless) if judge else None for i in row] for row in rows],
        )
        shown = f"{when}-plain" if asked.plain else when
        sheet = grid.save(self._run_dir / "pictures", shown, f"{shown} (version {version})")
        # Before the audit, which must not have an evaluation twice: one without metrics is made again by a resumed run.
        conditions = Conditions.of(asked.asked, asked.seeds, answers[0]["drawn"], verdicts)
        row = to_row(measure(verdicts, texts)) | {KEY: conditions.row()}
        self._writer.evaluation(when, version, row, plain=asked.plain)
        self._writer.pictures(shown, version, sheet)
        if self._audit is not None and not asked.plain:
            self._audit.evaluated(version, judged_pictures(images, texts, verdicts, version))
        for name, said in verdicts.items():
            if said and all(verdict.status == "error" for verdict in said):
                self._say(f"judge {name} failed on every picture of the evaluation: {said[0].text}")

    def _flaw_finder(self, verdicts: Mapping[str, Sequence[Verdict]]) -> tuple[Sequence[Verdict] | None, str]:
        """The verdicts of an audit judge that looks for flaws, and the sub-score that is 1 where it finds none."""
        for judge, _, score in (key.partition("/") for key in self._judges.audit_flawless()):
            if any(score in verdict.scores for verdict in verdicts[judge]):
                return verdicts[judge], score
        return None, ""


def _place(when: str) -> str:
    return f"of update {when}" if when.isdecimal() else f"{when} training"


def _flawless(verdict: Verdict, score: str) -> bool | None:
    """Whether the judge found nothing wrong with the picture; None if it did not say."""
    return verdict.scores[score] == 1 if verdict.status == "ok" and score in verdict.scores else None
