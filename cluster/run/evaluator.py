# pyright: strict
"""Evaluation: pictures of fixed prompts and seeds, so that two policies can be compared picture by picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from actors.adapter import Adapter
from actors.audit import judged_pictures
from actors.prompts import PromptList
from cluster.config.experiment import ExperimentConfig
from cluster.ledger.ticket_factory import sample_seeds
from cluster.report.grid import SampleGrid
from cluster.run.crew import RolloutCrew
from cluster.tracking.audit import Audit
from cluster.tracking.evaluation import measure, to_row
from cluster.tracking.judges import RunJudges
from cluster.tracking.metrics import MetricsWriter
from rewards.verdict import Verdict

# Not the run's seed: runs that differ in their seed are evaluated alike.
EVALUATION_SEED = 20240218
SHOWN_PROMPTS, SHOWN_SAMPLES = 12, 8


class Evaluator:
    """The first `evaluation.prompts` held-out prompts, `evaluation.samples` pictures each, scored by all judges."""

    def __init__(
        self, config: ExperimentConfig, crew: RolloutCrew, run_dir: Path, judges: RunJudges, audit: Audit | None
    ) -> None:
        prompts = PromptList(config.prompts.holdout or config.prompts.file)
        count, self._samples = min(config.evaluation.prompts, len(prompts)), config.evaluation.samples
        self._asked = [prompts[i] for i in range(count)]
        self._seeds = [sample_seeds(EVALUATION_SEED, i, 0, self._samples) for i in range(count)]
        self._crew, self._run_dir, self._judges, self._audit = crew, run_dir, judges, audit

    def evaluate(self, when: str, writer: MetricsWriter, adapter: Adapter | None = None) -> None:
        """Draws the pictures with `adapter` (default: the newest), has them judged, and writes metrics and grid."""
        k = self._samples
        texts = [prompt for prompt, _ in self._asked for _ in range(k)]
        metadata = [its for _, its in self._asked for _ in range(k)]
        seeds = [seed for row in self._seeds for seed in row]
        images, verdicts, version = self._crew.evaluate(texts, seeds, metadata, adapter)
        judge, flawless = self._flaw_finder(verdicts)
        rows = [range(i * k, i * k + min(k, SHOWN_SAMPLES)) for i in range(min(len(self._asked), SHOWN_PROMPTS))]
        grid = SampleGrid(
            prompts=[texts[row.start] for row in rows],
            images=np.stack([images[row.start : row.stop] for row in rows]),
            seeds=[seeds[row.start : row.stop] for row in rows],
            answers=[[judge[i].text if judge else "" for i in row] for row in rows],
            clean=[[_flawless(judge[i], flawless) if judge else None for i in row] for row in rows],
        )
        sheet = grid.save(self._run_dir / "pictures", when, f"{when} (version {version})")
        # Before the audit, which must not have an evaluation twice: one without metrics is made again by a resumed run.
        writer.evaluation(when, version, to_row(measure(verdicts, texts)))
        writer.pictures(when, version, sheet)
        if self._audit is not None:
            self._audit.evaluated(version, judged_pictures(images, texts, verdicts, version))

    def _flaw_finder(self, verdicts: Mapping[str, Sequence[Verdict]]) -> tuple[Sequence[Verdict] | None, str]:
        """The verdicts of an audit judge that looks for flaws, and the sub-score that is 1 where it finds none."""
        for judge, _, score in (key.partition("/") for key in self._judges.audit_flawless()):
            if any(score in verdict.scores for verdict in verdicts[judge]):
                return verdicts[judge], score
        return None, ""


def _flawless(verdict: Verdict, score: str) -> bool | None:
    """Whether the judge found nothing wrong with the picture; None if it did not say."""
    return verdict.scores[score] == 1 if verdict.status == "ok" and score in verdict.scores else None
