"""The statistics of pictures whose answers are known, and that they may only watch."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from rewards.judges.image_statistics import ImageStatisticsJudge, image_statistics
from rewards.judges.jpeg import JpegConfig, JpegJudge
from rewards.registry import build_judge, judge_config

GREY, BLACK, RED = (128, 128, 128), (0, 0, 0), (200, 0, 0)


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> np.ndarray:
    """A picture `[64, 64, 3]` of two colours, side by side."""
    image = np.empty((64, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = left, right
    return image


def test_a_plain_picture_has_no_edges_no_entropy_and_no_saturation():
    found = image_statistics(halves(GREY, GREY))
    assert (found["dark_share"], found["edge_density"], found["colour_entropy"], found["saturation"]) == (0, 0, 0, 0)


def test_two_halves_are_one_bit_and_one_edge():
    found = image_statistics(halves(BLACK, GREY))
    assert found["dark_share"] == 0.5
    assert found["colour_entropy"] == 1.0
    # One column of 64, or two where the edge lies between pixels.
    assert 1 / 64 <= found["edge_density"] <= 2 / 64


def test_saturation_is_that_of_hsv():
    assert image_statistics(halves(RED, GREY))["saturation"] == pytest.approx(0.5)


def test_every_cell_of_the_colour_cube_makes_nine_bits():
    levels = np.arange(8) * 32
    cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(16, 32, 3).astype(np.uint8)
    assert image_statistics(cube)["colour_entropy"] == pytest.approx(9.0)


def test_the_jpeg_size_is_the_jpeg_judges(noise: np.ndarray):
    (verdict,) = JpegJudge("jpeg", JpegConfig(prefer="large")).judge(noise[:1], [""])
    assert image_statistics(noise[0])["jpeg_kb"] == verdict.value


def test_a_verdict_holds_all_five(noise: np.ndarray):
    judge = build_judge("stats", judge_config("image_statistics", role="audit"))
    assert isinstance(judge, ImageStatisticsJudge)
    whole = judge.judge(noise, [""] * len(noise))
    assert set(whole[0].scores) == {"dark_share", "edge_density", "colour_entropy", "saturation", "jpeg_kb"}
    assert whole[0].value == whole[0].scores["colour_entropy"]


def test_statistics_may_only_watch():
    assert judge_config("image_statistics").role == "audit"
    with pytest.raises(
        ValidationError, match="image_statistics only watches a run, as a policy can raise every number"
    ):
        judge_config("image_statistics", role="train")
