"""The OCR judge with the real reader, on the drawn world's signs."""

from __future__ import annotations

import random

import numpy as np
import pytest

from menagerie.world.picture import draw
from menagerie.world.scene import sample_scene
from rewards.judges.ocr import OcrConfig, OcrJudge, letters
from rewards.registry import build_judge, judge_config

# ImportError, too: its OpenCV wants the system's libGL.
pytest.importorskip("rapidocr_onnxruntime", reason="pip install 'salon[ocr]'", exc_type=ImportError)


@pytest.fixture(scope="module")
def ocr() -> OcrJudge:
    judge = build_judge("ocr", judge_config("ocr"))
    assert isinstance(judge, OcrJudge)
    return judge


def test_letters_have_no_case_no_spaces_and_no_punctuation():
    assert letters("Keep Out!_ＯＫ") == "keepoutok"


@pytest.mark.slow
def test_most_signs_of_clean_drawings_are_read_and_scrambled_ones_are_not(ocr: OcrJudge):
    rng = random.Random(1)
    scenes = [sample_scene(rng, with_sign=True) for _ in range(12)]
    clean = [draw(scene, (), i) for i, scene in enumerate(scenes)]
    scrambled = [draw(scene, ("illegible letters",), i) for i, scene in enumerate(scenes)]
    captions = [picture.caption for picture in clean]
    verdicts = ocr.judge(np.stack([picture.pixels for picture in clean]), captions)
    assert np.mean([verdict.value for verdict in verdicts]) > 0.85
    assert np.mean([verdict.scores["exact"] for verdict in verdicts]) > 0.7
    worse = ocr.judge(np.stack([picture.pixels for picture in scrambled]), captions)
    assert np.mean([verdict.value for verdict in worse]) < 0.2
    # Where it reads the sign it says where: on the board, right of the middle.
    (label, (x1, y1, x2, y2)), *_ = next(verdict.boxes for verdict in verdicts if verdict.scores["exact"])
    assert letters(label)
    assert 0.5 < x1 < x2 <= 1.0
    assert 0.35 < y1 < y2 < 0.75


def test_a_picture_without_letters_has_no_value_and_no_confidence(ocr: OcrJudge):
    (verdict,) = ocr.judge(np.full((1, 64, 64, 3), 128, np.uint8), ["a wall"], [{"text": "ZOO"}])
    assert (verdict.status, verdict.value, verdict.scores) == ("ok", 0.0, {"exact": 0.0})


def test_a_setting_changes_the_version(ocr: OcrJudge):
    assert OcrJudge("ocr", OcrConfig(side=320)).version != ocr.version == OcrJudge("other", OcrConfig()).version
