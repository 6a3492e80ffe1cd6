"""A picture of the drawn world with its ground truth."""

from __future__ import annotations

import random
from dataclasses import dataclass

from learners.judges.datasets.annotation import Artifact
from menagerie.world.damage import KINDS, damage
from menagerie.world.draft import Draft, around
from menagerie.world.scene import Scene, sample_scene
from menagerie.world.things import EXTRAS
from rewards.arrays import ImageArray
from rewards.boxes import Box

PART_LEVEL = tuple(KINDS)[:9]
PIXEL_LEVEL = tuple(KINDS)[9:]


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels `[64, 64, 3]` and their ground truth: scene, caption, artifacts, and boxes of animals and parts."""

    pixels: ImageArray
    scene: Scene
    caption: str
    artifacts: tuple[Artifact, ...]
    boxes: tuple[tuple[str, Box], ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories of the artifacts, in the order of the taxonomy."""
        return tuple(a.category for a in self.artifacts)


def draw(scene: Scene, categories: tuple[str, ...] = (), seed: int = 0, form: int = 0) -> Picture:
    """Draws a scene with artifacts of `categories`, placed by `seed`. The caption never mentions them."""
    rng = random.Random(seed)
    draft = Draft.of(scene)
    artifacts = damage(draft, categories, rng)
    boxes: list[tuple[str, Box]] = []
    for creature, body in zip(scene.creatures, draft.bodies, strict=True):
        boxes.append((creature.species, around([part for part in body if part.name not in EXTRAS])))
        boxes += [(f"{creature.species}'s {part.name}", around([part])) for part in body]
    return Picture(draft.draw(), scene, scene.caption(form), artifacts, tuple(boxes))


def sample(seed: int, *, damaged: float = 0.45, twice: float = 0.12) -> Picture:
    """Picture number `seed` of the plain world, which has an artifact with probability `damaged`.

    A part-level artifact is followed by a pixel-level one with probability `twice`.
    """
    rng = random.Random(seed)
    categories: tuple[str, ...] = ()
    if rng.random() < damaged:
        first = rng.choice(tuple(KINDS))
        second = rng.choice(PIXEL_LEVEL) if first in PART_LEVEL and rng.random() < twice else first
        # Moving the animal would invalidate the box of the first artifact.
        categories = (first,) if second == "out of frame" else tuple(dict.fromkeys((first, second)))
    scene = sample_scene(rng, with_sign=True if "illegible letters" in categories else None)
    return draw(scene, categories, rng.getrandbits(32), rng.randrange(3))
