"""SynArtifact's classification metrics."""

from __future__ import annotations

import pytest

from learners.judges.metrics.classification import LabelScores


def test_label_scores_on_hand_computed_values():
    truth = [(), ("omitted",), ("omitted", "localized blur"), ("duplicated",)]
    predicted = [(), ("omitted",), ("omitted",), None]
    scores = LabelScores.of(predicted, truth)
    assert scores.exact == pytest.approx(2 / 4)
    assert scores.precision == pytest.approx((1 + 1 + 1 + 0) / 4)
    assert scores.recall == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert scores.f1 == pytest.approx((1 + 1 + 2 / 3 + 0) / 4)


def test_calling_a_damaged_picture_clean_is_worth_nothing():
    assert LabelScores.of([()], [("omitted",)]) == LabelScores(0, 0, 0, 0)


def test_scores_of_nothing_are_refused():
    with pytest.raises(ValueError, match="0 answers for 0 pictures"):
        LabelScores.of([], [])
