# pyright: strict
"""Under which conditions evaluations are comparable, and what is said where they are not."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.tracking.conditions import KEY, Conditions, differences, other_judges
from rewards.verdict import Verdict

ASKED: list[tuple[str, dict[str, Any]]] = [("a cat", {}), ("a red dog", {"colour": "red"})]
SEEDS = [1, 2, 3, 4]
DRAWN = {"dtype": "float32", "steps": 8, "guidance": 1.0, "negative_prompt": ""}
VERDICTS = {"clip": [Verdict("clip", "ok", 0.3, version="c1")] * 4, "held": [Verdict("held", "error")] * 4}


def conditions(**changed: Any) -> Conditions:
    return Conditions.of(
        changed.get("asked", ASKED),
        changed.get("seeds", SEEDS),
        DRAWN | changed.get("drawn", {}),
        changed.get("verdicts", VERDICTS),
    )


def test_they_come_back_from_a_row_and_differ_from_themselves_in_nothing() -> None:
    row = {KEY: conditions().row()}
    assert Conditions.from_row(row) == conditions()
    assert differences(conditions(), Conditions.from_row(row)) == []
    assert str(conditions()) == "2 prompts × 2: dtype float32, steps 8, guidance 1"


CHANGES: list[tuple[dict[str, Any], list[str]]] = [
    ({"drawn": {"steps": 20}}, ["steps 8 → 20"]),
    ({"drawn": {"eta": 0.5}}, ["eta none → 0.5"]),
    ({"drawn": {"negative_prompt": "blur"}}, ['negative_prompt "" → blur']),
    ({"asked": [("a cat", {}), ("a red dog", {"colour": "blue"})]}, ["other prompts or metadata"]),
    ({"asked": [ASKED[1], ASKED[0]]}, ["other prompts or metadata"]),
    ({"asked": ASKED[:1], "seeds": SEEDS[:2]}, ["prompts 2 → 1"]),
    ({"seeds": [1, 3]}, ["pictures of each 2 → 1"]),
]


@pytest.mark.parametrize(("changed", "said"), CHANGES)
def test_what_differs_is_named(changed: dict[str, Any], said: list[str]) -> None:
    assert differences(conditions(), conditions(**changed)) == said


def test_a_judge_of_another_version_is_named_alone() -> None:
    other = conditions(verdicts=VERDICTS | {"clip": [Verdict("clip", "ok", 0.3, version="c2")] * 4})
    assert differences(conditions(), other) == []
    assert other_judges(conditions(), other) == ["clip"]
    assert other_judges(conditions(), conditions()) == []


@pytest.mark.parametrize("row", [{}, {KEY: None}, {KEY: {"asked": 3}}, {KEY: "torn"}])
def test_a_row_without_conditions_is_of_an_earlier_release_and_differs_from_nothing(row: dict[str, Any]) -> None:
    assert Conditions.from_row(row) is None
    assert differences(None, conditions()) == other_judges(None, conditions()) == []
