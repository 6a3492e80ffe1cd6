"""The wider world: scenes with up to three animals, held things, sleeping animals, and one animal behind another.

Its scenes have seeds of their own, and labels of questions, mismatches and ratings are made on them. The plain world
(`menagerie.world.scene.sample_scene`), on which the policies were trained, is not changed by it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from menagerie.world.caption import SMALL, write_caption
from menagerie.world.damage import KINDS
from menagerie.world.picture import PART_LEVEL, PIXEL_LEVEL, Picture, draw
from menagerie.world.scene import ANIMALS, COLOURS, NATURAL_COLOURS, SETTINGS, WORDS, Creature, Held, Scene
from menagerie.world.things import THINGS

DISPLACING = ("spatial relationship", "out of frame")
"""Artifacts that move an animal, so that "left of" and "behind" are no longer defined."""


def sample_wide_scene(rng: random.Random, *, most: int = 3, with_sign: bool | None = None) -> Scene:
    """A random scene of one to `most` animals, in groups that share species and colour.

    No two groups are of one species, so that a question about "the dog" has one answer. `with_sign` True forces a sign,
    False forbids it; None: one scene in four has one. It takes the right third, and leaves room for two animals.
    """
    signed = rng.random() < 0.25 if with_sign is None else with_sign
    count = rng.choices((1, 2, 3), (5, 4, 3))[0]
    count = min(count, most, 2 if signed else 3)
    sizes = rng.choice({1: [(1,)], 2: [(1, 1), (1, 1), (2,)], 3: [(1, 1, 1), (1, 2), (2, 1), (3,)]}[count])
    behind = sizes == (1, 1) and rng.random() < 0.4
    places = _places(rng, count, signed, behind)
    species = rng.sample(ANIMALS, len(sizes))
    creatures: list[Creature] = []
    for kind, number in zip(species, sizes, strict=True):
        colour = NATURAL_COLOURS[kind] if rng.random() < 0.5 else rng.choice(tuple(COLOURS))
        size = _height(rng, count, signed, small=not behind and rng.random() < 0.2)
        alone = number == 1 and not behind
        space = alone and (count == 1 or (count == 2 and not signed))
        held = sample_held(rng) if space and size > SMALL and rng.random() < 0.5 else None
        asleep = alone and held is None and rng.random() < 0.2
        if held or asleep:
            size = min(size, 0.4 if count > 1 else 0.46 if signed else 0.54)
        for x, ground in places[len(creatures) : len(creatures) + number]:
            flipped = rng.random() < 0.5
            if held and (signed or count == 2):  # the thing is on the side that has room
                flipped, x = x < 0.5, x + (0.06 if x < 0.5 else -0.06)
            creatures.append(Creature(kind, colour, x, ground, size, flipped, held, asleep))
    return Scene(
        rng.choice(tuple(SETTINGS)),
        rng.uniform(0.5, 0.6),
        tuple(creatures),
        rng.choice(WORDS) if signed else None,
        rng.choice(("wooden", "metal")) if signed else "wooden",
        by_depth=True,
    )


def sample_wide(seed: int, *, damaged: float = 0.59, twice: float = 0.12) -> Picture:
    """Picture number `seed` of the wider world; `damaged` and `twice` as in `menagerie.world.picture.sample`."""
    rng = random.Random(f"wide {seed}")
    categories: tuple[str, ...] = ()
    if rng.random() < damaged:
        first = rng.choice(tuple(KINDS))
        over = [kind for kind in PIXEL_LEVEL if kind not in DISPLACING]  # moving an animal would invalidate the boxes
        second = rng.choice(over) if first in PART_LEVEL and rng.random() < twice else first
        categories = tuple(dict.fromkeys((first, second)))
    alone = any(category in DISPLACING for category in categories)
    signed = True if "illegible letters" in categories else None
    scene = sample_wide_scene(rng, most=1 if alone else 3, with_sign=signed)
    return replace(draw(scene, categories, rng.getrandbits(32)), caption=write_caption(scene).text)


def _places(rng: random.Random, count: int, signed: bool, behind: bool) -> list[tuple[float, float]]:
    if behind:
        x, aside = (0.3 if signed else rng.uniform(0.4, 0.6)), rng.choice((-1, 1)) * rng.uniform(0.14, 0.19)
        near, far = (x - aside / 2, rng.uniform(0.9, 0.94)), (x + aside / 2, rng.uniform(0.74, 0.78))
        return rng.sample([near, far], 2)
    centres = (
        {1: (0.34,), 2: (0.18, 0.46)}[count] if signed else {1: (0.5,), 2: (0.26, 0.74), 3: (0.18, 0.5, 0.82)}[count]
    )
    return [(x + rng.uniform(-0.02, 0.02), rng.uniform(0.86, 0.94)) for x in rng.sample(centres, count)]


def _height(rng: random.Random, count: int, signed: bool, small: bool) -> float:
    if small:
        return rng.uniform(0.27, 0.3)
    if count == 1:
        return rng.uniform(0.46, 0.52) if signed else rng.uniform(0.62, 0.74)
    return rng.uniform(0.36, 0.4) if signed or count == 3 else rng.uniform(0.42, 0.47)


def sample_held(rng: random.Random, kinds: Sequence[str] = tuple(THINGS)) -> Held:
    """A random thing of the given kinds, in one of its colours and shapes."""
    kind = rng.choice(kinds)
    thing = THINGS[kind]
    return Held(kind, rng.choice(thing.colours), rng.choice(thing.shapes) if thing.shapes else None)
