"""Normalising: against hand-computed values, and NaN that never becomes a number."""

from __future__ import annotations

import json
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.panel.normalise import Moments, Normaliser, group_rank, group_z_score
from rewards.settings.panel import NormaliseConfig

Kind = Literal["none", "affine", "running", "group", "rank"]
NAN = float("nan")
KINDS: tuple[Kind, ...] = ("none", "affine", "running", "group", "rank")
number = st.floats(-1e6, 1e6, width=32)
groups = st.integers(1, 5).flatmap(
    lambda k: st.lists(st.lists(st.one_of(st.just(NAN), number), min_size=k, max_size=k), min_size=1, max_size=4)
)


def test_affine_scales_first_and_clip_comes_last():
    normaliser = Normaliser(NormaliseConfig(kind="affine", scale=-2.0, offset=1.0), clip=(-3.0, 0.5))
    np.testing.assert_array_equal(normaliser(np.array([[0.0, 1.0, 5.0, NAN]])), [[0.5, -1.0, -3.0, NAN]])


def test_group_z_score_is_that_of_the_numbers_there_are():
    values = np.array([[1.0, 3.0, NAN], [0.0, 2.0, 4.0]])
    expected = [[-1, 1, NAN], [-(1.5**0.5), 0, 1.5**0.5]]
    np.testing.assert_allclose(group_z_score(values), expected, atol=1e-5)


def test_rank_goes_from_0_to_1_and_ties_share_their_mean_place():
    values = np.array([[10.0, -1.0, 10.0, 50.0, NAN], [7.0, 7.0, 7.0, NAN, NAN], [3.0, NAN, NAN, NAN, NAN]])
    expected = [[0.5, 0.0, 0.5, 1.0, NAN], [0.5, 0.5, 0.5, NAN, NAN], [0.5, NAN, NAN, NAN, NAN]]
    np.testing.assert_array_equal(group_rank(values), expected)


@given(st.lists(number, min_size=2, max_size=6))
def test_rank_sees_the_order_alone_and_turns_with_it(values: list[float]):
    x = np.array([values])
    np.testing.assert_allclose(group_rank(np.cbrt(x)), group_rank(x))
    np.testing.assert_allclose(group_rank(-x), 1 - group_rank(x))
    assert group_rank(x).mean() == pytest.approx(0.5)


@given(number, st.integers(1, 9), st.sampled_from(["group", "running"]))
def test_the_z_score_of_a_constant_group_is_zero_and_not_nan(value: float, k: int, kind: Kind):
    assert np.array_equal(Normaliser(NormaliseConfig(kind=kind))(np.full((2, k), value)), np.zeros((2, k)))


@given(groups, st.sampled_from(KINDS))
def test_what_is_no_number_stays_none_and_changes_no_other(rows: list[list[float]], kind: Kind):
    values = np.array(rows)
    made = Normaliser(NormaliseConfig(kind=kind))(values)
    assert np.array_equal(np.isfinite(made), np.isfinite(values))
    wider = np.concatenate([values, np.full((len(values), 2), NAN)], axis=1)
    np.testing.assert_allclose(Normaliser(NormaliseConfig(kind=kind))(wider)[:, :-2], made, rtol=1e-9)


@given(st.lists(st.lists(number, min_size=1, max_size=5), min_size=1, max_size=6))
def test_running_moments_are_those_of_everything_so_far(batches: list[list[float]]):
    moments = Moments(memory=1000)
    for batch in batches:
        moments.add(np.array(batch))
    everything = np.concatenate(batches)
    assert moments.mean == pytest.approx(everything.mean(), rel=1e-6, abs=1e-6)
    assert moments.variance == pytest.approx(everything.var(), rel=1e-4, abs=1e-3)


def test_running_moments_forget_what_is_long_past():
    moments = Moments(memory=8)
    moments.add(np.full(1000, 50.0))
    for _ in range(20):
        moments.add(np.array([0.0, 2.0, 0.0, 2.0]))
    assert moments.mean == pytest.approx(1, abs=0.1)
    assert moments.variance == pytest.approx(1, abs=3)


@given(st.lists(st.lists(number, min_size=3, max_size=3), min_size=2, max_size=6), st.data())
def test_restored_running_statistics_continue_bit_for_bit(batches: list[list[float]], data: st.DataObject):
    config = NormaliseConfig(kind="running", memory=5)
    straight, resumed = Normaliser(config), Normaliser(config)
    cut = data.draw(st.integers(0, len(batches) - 1))
    for i, batch in enumerate(batches):
        if i == cut:
            state = json.loads(json.dumps(resumed.state()))
            resumed = Normaliser(config)
            resumed.restore(state)
        values = np.array([batch])
        assert np.array_equal(straight(values), resumed(values))
