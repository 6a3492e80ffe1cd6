"""Scenes: what a picture shows, before it is drawn, and the plain world's captions."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from menagerie.world.animals import SPECIES

ANIMALS = tuple(SPECIES)
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 60, 54), "orange": (238, 136, 44), "yellow": (240, 202, 60), "green": (70, 160, 80),
    "blue": (62, 108, 214), "pink": (240, 150, 182), "brown": (140, 92, 56), "grey": (144, 146, 156),
    "white": (244, 244, 244), "black": (58, 58, 66),
}  # fmt: skip
NATURAL_COLOURS = {
    "elephant": "grey", "giraffe": "yellow", "dog": "brown", "cat": "orange", "rabbit": "white", "bear": "brown",
    "duck": "yellow", "pig": "pink", "lion": "orange", "cow": "white", "sheep": "white", "penguin": "black",
}  # fmt: skip
"""Species → the colour that most of them have."""
SETTINGS = {
    "meadow": "in the meadow",
    "desert": "in the desert",
    "snow": "in the snow",
    "night": "at night",
    "beach": "on the beach",
}
"""Setting → the words for it in a caption."""
WORDS = ("ZOO", "HI", "YES", "NO", "FUN", "GO")
"""What a sign may say."""


@dataclass(frozen=True, slots=True)
class Held:
    """A thing that an animal holds: one of `things.THINGS`, its colour, and its shape if it comes in several."""

    kind: str
    colour: str
    shape: str | None = None


@dataclass(frozen=True, slots=True)
class Creature:
    """An animal in a scene. `x` and `ground` are fractions of the picture (centre and feet), `size` its height."""

    species: str
    colour: str
    x: float
    ground: float
    size: float
    flipped: bool
    held: Held | None = None
    asleep: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """A setting with one or more creatures and perhaps a sign: everything a caption can describe.

    Creatures are drawn in order, or, if `by_depth`, those farther away (whose ground is higher up) first.
    """

    setting: str
    horizon: float
    creatures: tuple[Creature, ...]
    sign: str | None = None
    material: str = "wooden"
    by_depth: bool = False

    def metadata(self) -> dict[str, Any]:
        """The metadata of a prompt for this scene, which judges check pictures against."""
        return {
            "animals": [c.species for c in self.creatures],
            "colours": [c.colour for c in self.creatures],
            "setting": self.setting,
        }

    def caption(self, form: int = 0) -> str:
        """The caption in one of three forms; those above 0 are longer and mean the same."""
        who = " and ".join(f"{'an' if c.colour == 'orange' else 'a'} {c.colour} {c.species}" for c in self.creatures)
        where = SETTINGS[self.setting]
        sign = f" next to a sign that says {self.sign}" if self.sign else ""
        verb = "stands" if len(self.creatures) == 1 else "stand"
        return (f"{who} {where}{sign}", f"a picture of {who}{sign} {where}", f"{who} {verb} {where}{sign}")[form % 3]


def sample_scene(rng: random.Random, *, with_sign: bool | None = None, single: float = 0.8) -> Scene:
    """A random scene. Six in ten creatures have their natural colour, the others any of the ten.

    `with_sign` True forces a sign, False forbids it; None: one scene in five has one. `single` is the share of
    scenes with one creature; the others have two.
    """
    count = 1 if rng.random() < single else 2
    signed = rng.random() < 0.2 if with_sign is None else with_sign
    if signed:
        count = 1
    centres = {1: (0.36,) if signed else (0.5,), 2: (0.27, 0.73)}[count]
    creatures: list[Creature] = []
    for x in centres:
        species = rng.choice(ANIMALS)
        colour = NATURAL_COLOURS[species] if rng.random() < 0.6 else rng.choice(tuple(COLOURS))
        size = rng.uniform(0.62, 0.76) if not signed and count == 1 else rng.uniform(0.44, 0.52)
        creatures.append(
            Creature(species, colour, x + rng.uniform(-0.04, 0.04), rng.uniform(0.86, 0.95), size, rng.random() < 0.5)
        )
    return Scene(
        rng.choice(tuple(SETTINGS)), rng.uniform(0.5, 0.6), tuple(creatures), rng.choice(WORDS) if signed else None
    )
