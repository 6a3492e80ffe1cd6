# pyright: strict
"""When the user is told that an audit judge fails."""

from __future__ import annotations

from typing import Any

from actors.audit import JudgedPicture
from cluster.tracking.failing_judges import PICTURES, FailingJudges
from rewards.verdict import Verdict


def event(n: int, **verdicts: Verdict) -> dict[str, Any]:
    return {"kind": "group", "audit": [JudgedPicture("", "a cat", 0, 0, i, verdicts) for i in range(n)]}


BLIND, SEES = Verdict("heldout", "error", text="CUDA is gone"), Verdict("heldout", "abstain", text="no animal")


def test_a_judge_that_fails_on_every_picture_is_said_once_and_that_it_answers_again_too():
    judges = FailingJudges(["heldout", "other"])
    assert [*judges.take(event(PICTURES - 1, heldout=BLIND))] == []
    said = [*judges.take(event(2, heldout=BLIND))]
    assert said == [f"audit judge heldout fails on the last {PICTURES} pictures: CUDA is gone"]
    assert [*judges.take(event(100, heldout=BLIND))] == []
    assert [*judges.take(event(2, heldout=SEES))] == ["audit judge heldout answers again"]


def test_one_answer_in_between_is_enough():
    judges = FailingJudges(["heldout"])
    for _ in range(5):
        assert [*judges.take(event(PICTURES - 1, heldout=BLIND)), *judges.take(event(1, heldout=SEES))] == []


def test_train_judges_whose_failures_drop_their_groups_are_not_its_business():
    assert [*FailingJudges([]).take(event(100, heldout=BLIND))] == []


def test_without_an_audit_the_share_of_failed_calls_tells_it():
    judges = FailingJudges(["heldout"])
    assert [*judges.take_row({"heldout/failed_share": 0.9})] == []
    said = ["audit judge heldout fails on every call, since the actors began"]
    assert [*judges.take_row({"heldout/failed_share": 1.0})] == said
    assert [*judges.take_row({"heldout/failed_share": 1.0})] == []
