"""Consolidation of ratings by the rules of Rich Human Feedback."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.judges.datasets.ratings import Rating, consolidate, disks


def test_consolidation_by_hand():
    ratings = [
        Rating((5, 4, 3, 4), ((0.5, 0.5),), (), (True, False, True)),
        Rating((4, 4, 1, 4), ((0.5, 0.5), (0.1, 0.1)), (), (True, False, False)),
        Rating((3, 1, 2, 4), (), (), (False, True, False)),
    ]
    consensus = consolidate(ratings, 40, 40)
    assert consensus.scores == pytest.approx(((4 - 1) / 4, (3 - 1) / 4, (2 - 1) / 4, (4 - 1) / 4))
    assert consensus.misaligned == (True, False, False)
    assert consensus.artifact_map[20, 20] == pytest.approx(2 / 3)
    assert consensus.artifact_map[4, 4] == pytest.approx(1 / 3)
    assert consensus.artifact_map[30, 4] == 0
    assert not consensus.misalignment_map.any()


def test_an_even_vote_is_no_majority():
    two = [Rating((1, 1, 1, 1), (), (), (True,)), Rating((1, 1, 1, 1), (), (), (False,))]
    assert consolidate(two, 8, 8).misaligned == (False,)


def test_a_disk_has_the_radius_of_a_twentieth_of_the_height():
    assert disks([(0.5, 0.5)], 400, 600).sum() == pytest.approx(np.pi * 20**2, rel=0.01)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=5))
def test_points_anywhere_stay_inside_the_map(points: list[tuple[float, float]]):
    found = disks(points, 64, 48)
    assert found.shape == (64, 48)
    assert set(np.unique(found)) <= {0.0, 1.0}
    assert found.any() == bool(points)


def test_records_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="no ratings"):
        consolidate([], 8, 8)
    with pytest.raises(ValueError, match=r"\[1, 2\] words"):
        consolidate([Rating((1, 1, 1, 1), (), (), (True,)), Rating((1, 1, 1, 1), (), (), (True, False))], 8, 8)
