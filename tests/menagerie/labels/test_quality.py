"""The true scores of pictures."""

from __future__ import annotations

import random

import numpy as np
import pytest

from menagerie.labels.quality import Quality, colourfulness, contrast
from menagerie.labels.truth import Truth
from menagerie.world.picture import draw
from menagerie.world.scene import Creature, Scene
from rewards.judges.asking.questions import Question


def test_quality_by_hand():
    """A perfect picture of one grey tone: its aesthetics are what a flaw could still take away."""
    grey, yes, no = (
        np.full((8, 8, 3), 90, np.uint8),
        Question(question="Is there a dog?"),
        Question(question="Is there a cat?", answer="no"),
    )
    assert Quality.of(grey, (), [yes]).values() == pytest.approx((1, 1, 0.4, 0.4 + 0.4 + 0.08))
    assert Quality.of(grey, (), [yes, no]).alignment == pytest.approx(0.25)
    assert colourfulness(grey) == contrast(grey) == 0
    halves = np.zeros((8, 8, 3), np.uint8)
    halves[:4] = 255
    assert contrast(halves) == 1
    assert colourfulness(halves) == 0


def test_more_damage_is_less_plausible():
    scene = Scene("meadow", 0.55, (Creature("dog", "brown", 0.5, 0.9, 0.7, False),))
    values: list[float] = []
    for categories in ((), ("omitted",), ("omitted", "localized blur")):
        truth = Truth.of(draw(scene, categories), random.Random(0), form="plain")
        values.append(truth.quality.plausibility)
    assert values[0] == 1 > values[1] > values[2] > 0
