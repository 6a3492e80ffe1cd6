"""The drawn world: labels that agree with the pixels."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from menagerie.datasets.plain_pictures import HELD_OUT, PlainPictures
from menagerie.world.animals import SPECIES, anatomy
from menagerie.world.canvas import SIZE
from menagerie.world.damage import KINDS
from menagerie.world.picture import draw, sample
from menagerie.world.scene import ANIMALS, COLOURS, SETTINGS, Creature, Scene, sample_scene
from rewards.judges.synartifact.taxonomy import ARTIFACTS

# These damages move things, so pixels change where the animal was as well as where its box is.
MOVED = ("spatial relationship", "out of frame")


def changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two pictures differ visibly: `[64, 64]` bool."""
    return np.abs(a.astype(int) - b.astype(int)).max(-1) > 24


def scene_for(category: str, seed: int) -> Scene:
    return sample_scene(random.Random(seed), with_sign=True if category == "illegible letters" else None)


def inside(box: tuple[float, float, float, float], margin: int = 2) -> np.ndarray:
    x1, y1, x2, y2 = (v * SIZE for v in box)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    return (columns >= x1 - margin) & (columns <= x2 + margin) & (rows >= y1 - margin) & (rows <= y2 + margin)


def test_the_kinds_of_damage_are_the_thirteen_artifacts_of_the_taxonomy():
    assert list(KINDS) == [a.name for a in ARTIFACTS]


@pytest.mark.parametrize("category", list(KINDS))
def test_every_artifact_changes_the_picture_and_lies_in_its_box(category: str):
    for seed in range(12):
        scene = scene_for(category, seed)
        clean, damaged = draw(scene, (), seed), draw(scene, (category,), seed)
        (artifact,) = damaged.artifacts
        assert artifact.category == category
        where = changed(clean.pixels, damaged.pixels)
        assert where.sum() >= 12, f"{category}, seed {seed}: nobody could see it"
        if category not in MOVED:
            assert (where & inside(artifact.box)).sum() >= 0.9 * where.sum(), f"{category}, seed {seed}"


def test_a_second_artifact_leaves_the_first_where_its_box_is():
    pairs = 0
    for seed in range(150):
        picture = sample(seed, damaged=1, twice=1)
        both, one = draw(picture.scene, picture.categories, seed), draw(picture.scene, picture.categories[:1], seed)
        assert both.boxes == one.boxes
        assert both.artifacts[0] == one.artifacts[0]
        pairs += len(picture.categories) == 2
    assert pairs > 50


@given(st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_a_picture_is_a_function_of_its_seed(seed: int):
    one, two = sample(seed), sample(seed)
    assert np.array_equal(one.pixels, two.pixels)
    assert one.caption == two.caption
    assert one.artifacts == two.artifacts


@given(st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_the_caption_names_everything_and_no_artifact(seed: int):
    picture = sample(seed)
    for creature in picture.scene.creatures:
        assert f"{creature.colour} {creature.species}" in picture.caption
    if picture.scene.sign:
        assert picture.scene.sign in picture.caption
    assert not any(category in picture.caption for category in KINDS)


def test_an_omitted_part_is_really_missing():
    for seed in range(30):
        scene = scene_for("omitted", seed)
        clean, damaged = draw(scene, (), seed), draw(scene, ("omitted",), seed)
        missing = [name for name, _ in clean.boxes]
        for name, _ in damaged.boxes:
            missing.remove(name)
        assert missing, f"seed {seed}: every part is still there"


def test_a_duplicated_head_is_there_twice():
    for seed in range(30):
        scene = scene_for("duplicated", seed)
        clean, damaged = draw(scene, (), seed), draw(scene, ("duplicated",), seed)
        assert len(damaged.boxes) > len(clean.boxes)


def test_no_two_species_look_alike():
    pictures = [
        draw(Scene("meadow", 0.55, (Creature(s, "grey", 0.5, 0.92, 0.7, False),))).pixels.astype(int) for s in SPECIES
    ]
    for i, a in enumerate(pictures):
        for b in pictures[:i]:
            assert np.abs(a - b).mean() > 4


def test_every_animal_stands_on_the_ground_one_unit_tall():
    for species in ANIMALS:
        boxes = np.array([part.box() for part in anatomy(species)])
        assert boxes[:, 3].max() <= 0.05
        assert 0.7 <= -boxes[:, 1].min() <= 1.001


def test_the_share_of_damaged_pictures_is_what_was_asked_for():
    pictures = PlainPictures.draw(600, HELD_OUT, damaged=0.45)
    assert np.mean([bool(c) for c in pictures.categories]) == pytest.approx(0.45, abs=0.06)
    assert {c for cs in pictures.categories for c in cs} == set(KINDS)
    assert {s.setting for s in pictures.scenes} == set(SETTINGS)
    assert {c.colour for s in pictures.scenes for c in s.creatures} == set(COLOURS)


@pytest.mark.parametrize("category", ["localized blur", "impractical luminosity"])
def test_a_part_of_a_small_animal_is_hidden_and_not_all_of_it(category: str):
    scene = Scene("meadow", 0.55, (Creature("duck", "red", 0.5, 0.9, 0.28, False),), by_depth=True)
    clean = draw(scene)
    x1, y1, x2, y2 = (round(v * 64) for v in dict(clean.boxes)["duck"])
    for seed in range(8):
        there = draw(scene, (category,), seed).pixels[y1:y2, x1:x2].astype(int)
        same = abs(there - clean.pixels[y1:y2, x1:x2].astype(int)).max(-1) < 24
        assert 0.1 < same.mean() < 0.95, (seed, same.mean())
