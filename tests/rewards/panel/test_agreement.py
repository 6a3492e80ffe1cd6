"""PLCC and SRCC against scipy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

from rewards.panel.agreement import Agreement

scipy_stats: Any = stats

# Small whole numbers, so that there are ties, and far apart, so that scipy finds them distinct.
PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(-50, 50)), min_size=2, max_size=40)


@given(PAIRS)
def test_both_coefficients_are_scipys(pairs: list[tuple[int, int]]):
    values, ratings = ([float(x) for x in column] for column in zip(*pairs, strict=True))
    found = Agreement.of(values, ratings)
    assert found.pictures == len(pairs)
    if len(set(values)) == 1 or len(set(ratings)) == 1:
        assert math.isnan(found.plcc)
        assert math.isnan(found.srcc)
    else:
        assert found.plcc == pytest.approx(scipy_stats.pearsonr(values, ratings).statistic, abs=1e-12)
        assert found.srcc == pytest.approx(scipy_stats.spearmanr(values, ratings).statistic, abs=1e-12)


def test_an_order_that_is_right_at_distances_that_are_wrong_has_a_perfect_srcc_alone():
    found = Agreement.of([0, 1, 2, 3], [0, 1, 10, 1000])
    assert found.srcc == 1
    assert 0.7 < found.plcc < 0.9


def test_pictures_without_a_value_or_a_rating_do_not_count():
    found = Agreement.of([1, None, 3, 2, 9], [1, 7, 2, math.nan, 0])
    assert found == Agreement.of([1, 3, 9], [1, 2, 0])
    assert found.pictures == 3


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_pictures_have_no_correlation(n: int):
    found = Agreement.of([1.0] * n, [2.0] * n)
    assert (math.isnan(found.plcc), math.isnan(found.srcc), found.pictures) == (True, True, n)


def test_tiny_and_huge_values_agree_as_well_as_others():
    values = np.random.default_rng(0).normal(size=30)
    for scale in (1e-12, 1e12):
        assert Agreement.of((scale * values).tolist(), values.tolist()).plcc == pytest.approx(1, abs=1e-9)
