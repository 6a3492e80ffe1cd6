"""What judges declare of their sub-scores, as a report finds it."""

from __future__ import annotations

import pytest

from rewards.registry import JUDGES
from rewards.sub_scores import declared_sub_scores


def test_a_judge_declares_its_shares_their_words_and_what_fall_is_tolerated() -> None:
    declared = declared_sub_scores("menagerie.heldout_judge:HeldoutJudge")
    assert [score for score, says in declared.items() if says.share] == ["artifact_free", "animal", "colour", "setting"]
    assert [score for score, says in declared.items() if says.flawless] == ["artifact_free"]
    assert declared["animal"].label == "animal recognised"
    assert (declared["animal"].tolerated_fall, declared["animal"].relative) == (0.03, False)


def test_every_kind_can_be_asked() -> None:
    declaring = {kind for kind in JUDGES if declared_sub_scores(kind)}
    assert declaring == {"artifact", "artifact_detection", "clip"}


@pytest.mark.parametrize(
    "kind", ["tests.rewards.own_functions:nothing", "no.such.module:Judge", "json:JSONDecoder", "heldouts", "", None, 3]
)
def test_what_declares_nothing_or_cannot_be_imported_has_no_declarations(kind: object) -> None:
    assert declared_sub_scores(kind) == {}
