# pyright: strict
"""What alarms and reports know of a run's judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.config.experiment import load_config
from cluster.tracking.judges import RunJudges

CONFIGS = Path(__file__).parents[3] / "configs"
OWN = """\
from rewards.judge import Judge, SubScore

class Letters(Judge):
    sub_scores = {
        "legible": SubScore("letters legible", share=True, flawless=True),
        "contrast": SubScore(tolerated_fall=0.5),
    }
"""


def judges(**entries: dict[str, Any]) -> RunJudges:
    return RunJudges.from_yaml({"rewards": {"judges": entries}})


@pytest.mark.parametrize("name", ["menagerie", "hacking", "flow", "sd15", "sd35"])
def test_a_config_says_the_same_of_its_judges_as_text_and_as_settings(name: str) -> None:
    path = CONFIGS / f"{name}.yaml"
    config = load_config(path)
    from_yaml, from_settings = (
        RunJudges.from_yaml(yaml.safe_load(path.read_text())),
        RunJudges.from_settings(config.rewards),
    )
    assert from_yaml == from_settings
    assert from_yaml.audit == config.audit_judges


def test_only_the_shares_of_audit_judges_are_watched() -> None:
    run = judges(artifact={"kind": "artifact"}, second={"kind": "artifact", "role": "audit"}, clip={"kind": "clip"})
    assert run.audit == ["second"]
    assert run.audit_shares() == run.audit_flawless() == ["second/artifact_free"]
    assert run.label("artifact/artifact_free") == "free of artifacts"
    assert run.label("clip/value") == "mean verdict"


def test_a_judge_of_ones_own_declares_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "letters_of_mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)  # pyright: ignore[reportUnknownMemberType]
    run = judges(letters={"kind": "letters_of_mine:Letters", "role": "audit"})
    assert run.audit_flawless() == ["letters/legible"]
    assert run.label("letters/legible") == "letters legible"
    assert run.sub_score("letters/contrast").tolerated_fall == 0.5


def test_a_judge_that_is_not_installed_here_declares_nothing() -> None:
    run = judges(far={"kind": "not_installed_here:Judge", "role": "audit"})
    assert run.audit == ["far"]
    assert run.audit_shares() == []
    assert run.label("far/legible_letters") == "legible letters"


def test_a_run_without_judges_has_none() -> None:
    assert RunJudges.from_yaml({}) == RunJudges.from_yaml({"rewards": None}) == RunJudges()
