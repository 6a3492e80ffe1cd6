"""Boxes and heatmaps, drawn where they belong."""

from __future__ import annotations

import math

import numpy as np

from rewards.http.annotate import SMALLEST, annotate
from rewards.verdict import Verdict

GREY = np.full((32, 64, 3), 100, np.uint8)


def drawn(**verdicts: Verdict) -> np.ndarray:
    return np.asarray(annotate(GREY, verdicts))


def test_a_picture_without_marks_is_only_enlarged():
    plain = drawn(a=Verdict("a", "ok", value=1.0))
    assert plain.shape == (SMALLEST, 2 * SMALLEST, 3)
    assert (plain == 100).all()
    large = np.zeros((500, 400, 3), np.uint8)
    assert np.asarray(annotate(large, {})).shape == large.shape


def test_a_box_is_drawn_at_its_fractions_in_the_judges_colour():
    box = ("leg", (0.5, 0.25, 0.75, 1.0))
    picture = drawn(a=Verdict("a", "ok", value=1.0, boxes=(box,)), b=Verdict("b", "ok", value=1.0, boxes=(box,)))
    only_a = drawn(a=Verdict("a", "ok", value=1.0, boxes=(box,)))
    h, w = picture.shape[:2]
    touched = np.argwhere((only_a != 100).any(-1))
    assert np.abs(touched.min(0) - [h // 4, w // 2]).max() <= 1
    assert np.abs(touched[:, 0].max() - h) <= 1
    edge = (h // 2, w // 2 + 1)
    assert picture[edge].tolist() != only_a[edge].tolist(), "another judge, another colour"


def test_corners_in_any_order_or_nowhere_are_drawn_inside_the_picture():
    boxes = (("upside down", (0.9, 0.9, 0.1, 0.1)), ("outside", (-3.0, math.nan, 7.0, math.inf)), ("猫", (0, 0, 1, 1)))
    picture = drawn(a=Verdict("a", "ok", value=1.0, boxes=boxes))
    assert picture.shape == (SMALLEST, 2 * SMALLEST, 3)
    assert (picture != 100).any()


def test_a_heatmap_is_a_second_picture_that_is_red_where_it_is_hot():
    heat = np.array([[0.0, 1.0], [0.0, math.nan]], np.float32)
    picture = drawn(a=Verdict("a", "ok", value=1.0, heatmaps={"artifact": heat}))
    first, second = picture[:, : 2 * SMALLEST], picture[:, -2 * SMALLEST :]
    assert (first == 100).all()
    hot, cold = second[40, -5].astype(int), second[-5, -5].astype(int)
    assert hot[0] - hot[1] > 120
    assert cold.tolist() == [100, 100, 100]
