from __future__ import annotations

import numpy as np
import pytest

from rewards.panel.disagreement import rank_disagreement


def test_disagreement_of_a_case_made_by_hand() -> None:
    # Ranks of five pictures, lowest value first: 0, 1, 2, 3, 4 and 4, 1, 2.5, 2.5, 0; each by 4.
    values = {"clip": [0.1, 0.2, 0.3, 0.4, 0.5], "artifact": [9.0, 2.0, 5.0, 5.0, 1.0]}
    assert rank_disagreement(values) == pytest.approx([1.0, 0.0, 0.125, 0.125, 1.0])


def test_of_three_judges_the_two_that_are_furthest_apart_count() -> None:
    values = {"a": [1.0, 2.0, 3.0], "b": [2.0, 1.0, 3.0], "c": [3.0, 2.0, 1.0]}
    assert rank_disagreement(values) == pytest.approx([1.0, 0.5, 1.0])


def test_scales_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 8))
    assert np.array_equal(rank_disagreement({"a": a, "b": b}), rank_disagreement({"a": np.exp(9 * a), "b": b - 100}))


def test_a_judge_without_a_value_has_no_say_and_one_judge_alone_disagrees_with_nobody() -> None:
    holes = {"a": [1.0, 2.0], "b": [2.0, 1.0], "c": [float("nan"), 7.0]}
    assert rank_disagreement(holes).tolist() == [1.0, 1.0]
    assert np.isnan(rank_disagreement({"a": [1.0, 2.0], "c": [float("nan"), 7.0]})).all()
    assert np.isnan(rank_disagreement({"a": [1.0], "b": [2.0]})).all()
