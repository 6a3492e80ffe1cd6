"""Hard negatives of CLIP's metric."""

from __future__ import annotations

import random

import pytest

from menagerie.measures.judging import hard_negative, picked_first
from menagerie.world.scene import sample_scene
from rewards.verdict import Verdict


def test_a_hard_negative_differs_in_exactly_one_word_or_place():
    rng = random.Random(0)
    for seed in range(50):
        scene = sample_scene(random.Random(seed))
        other = hard_negative(scene, rng)
        differences = [
            scene.setting != other.setting,
            *(a.species != b.species for a, b in zip(scene.creatures, other.creatures, strict=True)),
            *(a.colour != b.colour for a, b in zip(scene.creatures, other.creatures, strict=True)),
        ]
        assert sum(differences) == 1


@pytest.mark.parametrize(
    ("values", "hit"),
    [([0.3, 0.2, 0.1], True), ([0.3, 0.3, 0.1], False), ([0.0, 0.0], False), ([None, None], False), ([-2, None], True)],
)
def test_a_caption_that_is_no_better_than_another_was_not_picked(values: list[float | None], hit: bool):
    verdicts = [Verdict("clip", "abstain" if value is None else "ok", value) for value in values]
    assert picked_first(verdicts) == hit
