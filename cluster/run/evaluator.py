"""Evaluation: fixed prompts and fixed seeds, so that two policies can be compared picture by picture."""

from __future__ import annotations

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
from cluster.tracking.metrics import MetricsWriter
from rewards.verdict import Verdict

# Not the run's seed: runs that differ in their seed are evaluated alike.
EVALUATION_SEED = 20240218
SHOWN_PROMPTS, SHOWN_SAMPLES = 12, 8
# The sub-score of every judge that looks for artifacts.
ARTIFACT_FREE = "artifact_free"


class Evaluator:
    """The first `evaluation.prompts` held-out prompts, `evaluation.samples` pictures each, judged by everybody."""

    def __init__(
        self, config: ExperimentConfig, crew: RolloutCrew, run_dir: Path, heldout: list[str], audit: Audit | None
    ) -> None:
        prompts = PromptList(config.prompts.holdout or config.prompts.file)
        count, self._samples = min(config.evaluation.prompts, len(prompts)), config.evaluation.samples
        self._asked = [prompts[i] for i in range(count)]
        self._seeds = [sample_seeds(EVALUATION_SEED, i, 0, self._samples) for i in range(count)]
        self._crew, self._run_dir, self._heldout, self._audit = crew, run_dir, heldout, audit

    def evaluate(self, when: str, writer: MetricsWriter, adapter: Adapter | None = None) -> None:
        """Draws the pictures with `adapter` (default: the newest), has them judged, writes metrics and grid."""
        k = self._samples
        texts = [prompt for prompt, _ in self._asked for _ in range(k)]
        facts = [metadata for _, metadata in self._asked for _ in range(k)]
        seeds = [seed for row in self._seeds for seed in row]
        images, verdicts, version = self._crew.evaluate(texts, seeds, facts, adapter)
        # Of the judges that watch, one that looks for artifacts; others' values say nothing about them.
        judge = next((verdicts[j] for j in self._heldout if any(ARTIFACT_FREE in v.scores for v in verdicts[j])), None)
        clean = [None if judge is None else _clean(judge[i]) for i in range(len(texts))]
        rows = [range(i * k, i * k + min(k, SHOWN_SAMPLES)) for i in range(min(len(self._asked), SHOWN_PROMPTS))]
        grid = SampleGrid(
            prompts=[texts[row.start] for row in rows],
            images=np.stack([images[row.start : row.stop] for row in rows]),
            seeds=[seeds[row.start : row.stop] for row in rows],
            answers=[[judge[i].text if judge else "" for i in row] for row in rows],
            clean=[[clean[i] for i in row] for row in rows],
        )
        sheet = grid.save(self._run_dir / "pictures", when, f"{when} (version {version})")
        # The pictures are there by now, and the audit comes later: an evaluation without figures is made again, and
        # must not be on record twice.
        writer.evaluation(when, version, to_row(measure(verdicts, texts)))
        writer.pictures(when, version, sheet)
        if self._audit is not None:
            self._audit.evaluated(version, judged_pictures(images, texts, verdicts, version))


def _clean(verdict: Verdict) -> bool | None:
    """Whether the judge saw no artifact; None if it did not say."""
    return verdict.scores[ARTIFACT_FREE] == 1 if verdict.status == "ok" and ARTIFACT_FREE in verdict.scores else None
