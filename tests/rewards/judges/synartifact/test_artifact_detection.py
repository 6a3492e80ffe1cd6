"""Artifact detection: the grammar and geometry of boxes, and the judge on a small LLaVA that has learnt it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.boxes import covered, from_square
from rewards.judges.synartifact.artifact_boxes import parse_boxes
from rewards.judges.synartifact.artifact_detection import ArtifactDetectionConfig, ArtifactDetectionJudge, pad_to_square


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("[0.25,0.5,0.75,1]", ((0.25, 0.5, 0.75, 1.0),)),
        (" [0, .1, 0.5, 1.0], [0.5,0.5,0.6,0.6]. ", ((0.0, 0.1, 0.5, 1.0), (0.5, 0.5, 0.6, 0.6))),
        ("[0,0,1,1];[0,0,.5,.5]", ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 0.5))),
        ("[0,0,1]", None),
        ("[0.5,0,0.5,1]", None),
        ("[0.6,0,0.5,1]", None),
        ("[0,0,1,336]", None),
        ("[-0.1,0,1,1]", None),
        ("The trunk is at [0,0,1,1]", None),
        ("", None),
    ],
)
def test_boxes_are_read_by_their_grammar(text: str, boxes):
    assert parse_boxes(text) == boxes


def test_boxes_are_given_back_in_the_picture_that_was_padded():
    assert from_square((0.0, 0.25, 0.5, 0.75), 100, 50, centred=True) == (0.0, 0.0, 0.5, 1.0)
    assert from_square((0.25, 0.0, 0.5, 1.0), 50, 100, centred=True) == (0.0, 0.0, 0.5, 1.0)
    assert from_square((0.0, 0.0, 1.0, 0.2), 100, 50, centred=True) == (0.0, 0.0, 1.0, 0.0)
    assert from_square((0.1, 0.2, 0.3, 0.4), 64, 64, centred=True) == pytest.approx((0.1, 0.2, 0.3, 0.4))


@given(
    st.lists(
        st.tuples(*[st.integers(0, 7)] * 2, *[st.integers(1, 8)] * 2).filter(lambda b: b[0] < b[2] and b[1] < b[3]),
        max_size=5,
    )
)
def test_covered_area_counts_every_place_once(cells: list[tuple[int, int, int, int]]):
    grid = np.zeros((8, 8), bool)
    for x1, y1, x2, y2 in cells:
        grid[y1:y2, x1:x2] = True
    assert covered([(a / 8, b / 8, c / 8, d / 8) for a, b, c, d in cells]) == pytest.approx(grid.mean())


def test_padding_puts_the_picture_in_the_middle():
    square = pad_to_square(np.zeros((1, 2, 5, 3), np.uint8))
    assert square.shape == (1, 5, 5, 3)
    assert square[0, :, 0, 0].tolist() == [127, 0, 0, 127, 127]


def test_value_is_the_share_outside_all_boxes(detector_dir: Path, lessons: dict[str, np.ndarray]):
    judge = ArtifactDetectionJudge(
        "where", ArtifactDetectionConfig(model=str(detector_dir), template="short", max_new_tokens=30)
    )
    clean, damaged, contradiction = judge.judge(np.stack(list(lessons.values())), [""] * 3)
    assert (clean.value, clean.boxes, clean.scores) == (1.0, (), {"artifact_free": 1.0, "covered": 0.0})
    assert damaged.value == 0.75
    assert damaged.boxes == (("duplicated", (0.25, 0.5, 0.75, 1.0)),)
    assert damaged.scores == {"artifact_free": 0.0, "covered": 0.25}
    assert json.loads(damaged.text)["artifacts"]["duplicated"]["caption"] == "two trunks"
    assert contradiction.status == "abstain"
    (cut,) = ArtifactDetectionJudge(
        "where", ArtifactDetectionConfig(model=str(detector_dir), template="short", max_new_tokens=3)
    ).judge(lessons["duplicated, chromatic irregularity"][None], [""])
    assert (cut.status, cut.truncated) == ("abstain", True)
