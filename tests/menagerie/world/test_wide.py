"""The wider world: its scenes, and boxes that lie where the pixels are."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from menagerie.world.canvas import SIZE
from menagerie.world.caption import groups, relation
from menagerie.world.damage import KINDS
from menagerie.world.picture import draw
from menagerie.world.scene import ANIMALS, COLOURS, SETTINGS, Creature, Held, Scene
from menagerie.world.things import EXTRAS, THINGS
from menagerie.world.wide import DISPLACING, sample_wide, sample_wide_scene

SEEDS = st.integers(0, 2**40)


def scenes(count: int) -> list[Scene]:
    return [sample_wide_scene(random.Random(seed)) for seed in range(count)]


def changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(int) - b.astype(int)).max(-1) > 16


def share_inside(where: np.ndarray, box: tuple[float, ...], margin: float = 1.5) -> float:
    """The share of the marked pixels that lie in a box, a pixel and a half around it included."""
    rows, columns = np.nonzero(where)
    x1, y1, x2, y2 = (v * SIZE for v in box)
    hit = (columns + 1 > x1 - margin) & (columns < x2 + margin) & (rows + 1 > y1 - margin) & (rows < y2 + margin)
    return float(hit.mean())


def test_the_wide_world_has_everything_a_caption_can_speak_of():
    many = scenes(600)
    creatures = [c for s in many for c in s.creatures]
    assert {len(s.creatures) for s in many} == {1, 2, 3}
    assert {c.species for c in creatures} == set(ANIMALS)
    assert {"elephant", "giraffe"} <= set(ANIMALS)
    assert len(ANIMALS) >= 12
    assert {c.colour for c in creatures} == set(COLOURS)
    assert {s.setting for s in many} == set(SETTINGS)
    assert {c.held.kind for c in creatures if c.held} == set(THINGS)
    assert {c.held.shape for c in creatures if c.held and c.held.kind == "balloon"} == set(THINGS["balloon"].shapes)
    assert any(c.asleep for c in creatures)
    assert {s.material for s in many if s.sign} == {"wooden", "metal"}
    assert {relation(*s.creatures[:2]) for s in many if len(s.creatures) > 1} >= {
        "left of", "right of", "behind", "in front of",
    }  # fmt: skip
    assert {len(herd) for s in many for herd in groups(s)} == {1, 2, 3}


def test_artifacts_fall_on_wide_pictures_too():
    found = Counter(category for seed in range(600) for category in sample_wide(seed).categories)
    assert set(found) == set(KINDS)


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_wide_picture_is_a_function_of_its_seed(seed: int):
    one, two = sample_wide(seed), sample_wide(seed)
    assert np.array_equal(one.pixels, two.pixels)
    assert (one.scene, one.artifacts, one.boxes) == (two.scene, two.artifacts, two.boxes)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_box_of_an_animal_lies_where_its_pixels_are(seed: int):
    """Take the animal away, and what changes (but for its shadow) is in its box and fills it from end to end."""
    rng = random.Random(seed)
    scene = sample_wide_scene(rng, with_sign=False)
    # Red, because an animal of its background's colour is there and cannot be seen.
    bare = tuple(replace(c, held=None, asleep=False, colour="red") for c in scene.creatures)
    i = rng.randrange(len(bare))
    with_it = draw(replace(scene, creatures=bare))
    without = draw(replace(scene, creatures=bare[:i] + bare[i + 1 :]))
    box = [box for name, box in with_it.boxes if name in ANIMALS][i]
    where = changed(with_it.pixels, without.pixels)
    where[int(bare[i].ground * SIZE) - 1 :] = False  # the shadow is wider than the feet
    assert where.any()
    assert share_inside(where, box) > 0.98
    if len(bare) == 1:
        rows, columns = np.nonzero(where)
        assert columns.min() <= box[0] * SIZE + 2.5
        assert columns.max() >= box[2] * SIZE - 3.5
        assert rows.min() <= box[1] * SIZE + 2.5


@given(SEEDS, st.sampled_from(sorted(THINGS)))
@settings(max_examples=60, deadline=None)
def test_the_box_of_a_held_thing_lies_where_its_pixels_are(seed: int, kind: str):
    rng = random.Random(seed)
    thing = THINGS[kind]
    held = Held(kind, rng.choice(thing.colours), rng.choice(thing.shapes) if thing.shapes else None)
    creature = Creature(rng.choice(ANIMALS), "grey", 0.5, 0.92, 0.5, rng.random() < 0.5)
    scene = Scene(rng.choice(sorted(SETTINGS)), 0.55, (creature,), by_depth=True)
    without, with_it = draw(scene), draw(replace(scene, creatures=(replace(creature, held=held),)))
    boxes = dict(with_it.boxes)
    assert boxes[creature.species] == dict(without.boxes)[creature.species]  # the thing is not of the animal
    where = changed(with_it.pixels, without.pixels)
    assert where.sum() >= 20
    arm, box = boxes[f"{creature.species}'s arm"], boxes[f"{creature.species}'s {kind}"]
    whole = (min(arm[0], box[0]), min(arm[1], box[1]), max(arm[2], box[2]), max(arm[3], box[3]))
    assert share_inside(where, whole) == 1
    assert share_inside(where, box) > 0.4


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_box_of_a_part_lies_where_its_pixels_are(seed: int):
    """Damage that leaves a part out changes pixels there, and the part is gone from the boxes."""
    scene = sample_wide_scene(random.Random(seed), most=1, with_sign=False)
    clean, damaged = draw(scene, (), seed), draw(scene, ("omitted",), seed)
    (artifact,) = damaged.artifacts
    missing = Counter(name for name, _ in clean.boxes) - Counter(name for name, _ in damaged.boxes)
    assert missing
    lost = [box for name, box in clean.boxes if name in missing]
    where = changed(clean.pixels, damaged.pixels)
    assert share_inside(where, artifact.box) == 1
    assert sum(share_inside(where, box) > 0 for box in lost) >= len(lost) / 2
    assert not {name.split("'s ")[1] for name in missing} & set(EXTRAS)


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_damage_can_be_seen_and_lies_in_its_boxes(seed: int):
    """Even where one animal hides another."""
    picture = sample_wide(seed, damaged=1)
    where = changed(draw(picture.scene).pixels, picture.pixels)
    assert where.sum() >= 12
    if not set(picture.categories) & set(DISPLACING):
        inside = np.zeros_like(where)
        for x1, y1, x2, y2 in (np.array(a.box) * SIZE for a in picture.artifacts):
            inside[max(0, int(y1) - 2) : int(y2) + 3, max(0, int(x1) - 2) : int(x2) + 3] = True
        assert (where & inside).sum() >= 0.9 * where.sum()


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_a_relation_can_be_seen(seed: int):
    """Left is left in the pixels, and the one in front hides the one behind."""
    scene = sample_wide_scene(random.Random(seed), with_sign=False)
    assume(len(scene.creatures) == 2)
    scene = replace(scene, creatures=tuple(replace(c, held=None, asleep=False) for c in scene.creatures))
    both = draw(scene).pixels
    empty = draw(replace(scene, creatures=())).pixels
    alone = [draw(replace(scene, creatures=(c,))).pixels for c in scene.creatures]
    place = relation(*scene.creatures)
    if place in ("left of", "right of"):
        a, b = (np.nonzero(changed(image, empty))[1].mean() for image in alone)
        assert (a < b) == (place == "left of")
    else:
        overlap = changed(alone[0], empty) & changed(alone[1], empty) & changed(*alone)
        assert overlap.sum() >= 10
        first, second = (np.abs(both.astype(int) - image)[overlap].mean() for image in alone)
        assert (first < second) == (place == "in front of")


def test_no_size_is_hard_to_call():
    for creature in (c for s in scenes(400) for c in s.creatures):
        assert not 0.31 < creature.size < 0.35
        assert not 0.56 < creature.size < 0.61


@pytest.mark.parametrize("damaged", [0.0, 1.0])
def test_the_share_of_damaged_pictures_is_what_was_asked_for(damaged: float):
    assert all(bool(sample_wide(seed, damaged=damaged).artifacts) == bool(damaged) for seed in range(20))
