# pyright: strict
"""What a sample sheet says under its pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from cluster.config.experiment import load_config
from cluster.run.crew import RolloutCrew
from cluster.run.evaluator import Evaluator
from cluster.tracking.judges import RunJudges
from cluster.tracking.metrics import MetricsWriter
from rewards.verdict import Verdict

CONFIGS = Path(__file__).parents[3] / "configs"


class Crew:
    """Draws grey pictures, of which the held-out judge finds every second free of artifacts."""

    def __init__(self, audit_judges: list[str]) -> None:
        self._audit_judges = audit_judges

    def evaluate(self, prompts: list[str], seeds: Any, metadata: Any, adapter: Any) -> Any:
        n = len(prompts)
        said = [
            Verdict("heldout", "ok", i % 2, {"artifact_free": i % 2}, ["omitted", "No artifacts"][i % 2])
            for i in range(n)
        ]
        said[2] = Verdict("heldout", "abstain")
        other = [Verdict("other", "ok", 0.25, {"cosine": 0.25}, "0.25")] * n
        return (
            np.full((n, 8, 8, 3), 128, np.uint8),
            {j: said if j == "heldout" else other for j in self._audit_judges},
            3,
        )


class Writer:
    def evaluation(self, *row: Any) -> None: ...

    def pictures(self, *row: Any) -> None: ...


@pytest.mark.parametrize("name", ["menagerie", "hacking", "sd35"])
def test_pictures_are_marked_by_a_judge_that_looks_for_artifacts_or_by_none(name: str, tmp_path: Path):
    config = load_config(CONFIGS / f"{name}.yaml", ["evaluation.prompts=2", "evaluation.samples=2"])
    crew = cast(RolloutCrew, Crew(config.audit_judges))
    judges = RunJudges.from_settings(config.rewards)
    Evaluator(config, crew, tmp_path, judges, None).evaluate("before", cast(MetricsWriter, Writer()))
    (sheet,) = (tmp_path / "pictures").glob("before*.json")
    saved = json.loads(sheet.read_text())
    if "heldout" in config.audit_judges:
        assert saved["clean"] == [[False, True], [None, True]]
        assert saved["answers"][0] == ["omitted", "No artifacts"]
    else:
        assert saved["clean"] == [[None] * 2] * 2
