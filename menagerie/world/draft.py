"""A draft: a picture that is not rasterised yet, so that its parts can still be changed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from menagerie.world.animals import anatomy
from menagerie.world.canvas import Canvas, Colour
from menagerie.world.parts import Part, Polygon
from menagerie.world.scene import Creature, Scene
from menagerie.world.things import holding, sleeping
from rewards.arrays import ImageArray
from rewards.boxes import Box

PixelOperation = Callable[[Image.Image], Image.Image]


@dataclass(slots=True)
class Draft:
    """The parts of each creature in picture coordinates, polygons drawn `over` all, and operations on the `pixels`.

    `standing` says for each creature whether it has a contact shadow; `strokes` replace the letters of the sign.
    """

    scene: Scene
    bodies: list[list[Part]]
    standing: list[bool]
    strokes: list[Polygon] | None = None
    over: list[tuple[Polygon, Colour]] = field(default_factory=list[tuple[Polygon, Colour]])
    pixels: list[PixelOperation] = field(default_factory=list[PixelOperation])

    @classmethod
    def of(cls, scene: Scene) -> Draft:
        return cls(scene, [placed(c) for c in scene.creatures], [True] * len(scene.creatures))

    def pick(self, rng: random.Random) -> int:
        """The index of a random creature."""
        return rng.randrange(len(self.bodies))

    def species(self, i: int) -> str:
        return self.scene.creatures[i].species

    def draw(self) -> ImageArray:
        """The rasterised picture, `[64, 64, 3]`."""
        canvas = Canvas(self.scene)
        for creature, standing in zip(self.scene.creatures, self.standing, strict=True):
            if standing:
                canvas.shadow(creature.x, creature.ground, creature.size, self.scene.setting)
        if self.scene.sign:
            canvas.sign(self.scene.sign, self.strokes, self.scene.material)
        order = list(zip(self.scene.creatures, self.bodies, strict=True))
        if self.scene.by_depth:
            order.sort(key=lambda pair: pair[0].ground)
        for creature, body in order:
            canvas.parts(body, creature.colour)
        for polygon, colour in self.over:
            canvas.polygon(polygon, colour)
        for change in self.pixels:
            canvas.image = change(canvas.image)
        return canvas.finish()


def placed(creature: Creature) -> list[Part]:
    """The parts of a creature in picture coordinates, with the thing that it holds."""
    flip = np.array([-1.0 if creature.flipped else 1.0, 1.0])
    parts = list(anatomy(creature.species))
    if creature.asleep:
        parts = sleeping(parts)
    if creature.held:
        parts += holding(creature.held.kind, creature.held.colour, creature.held.shape)
    return [p.moved(lambda v: v * flip * creature.size + [creature.x, creature.ground]) for p in parts]


def around(parts: list[Part]) -> Box:
    """The box around parts, clipped to the picture."""
    boxes = np.array([p.box() for p in parts])
    x1, y1 = boxes[:, :2].min(0).tolist()
    x2, y2 = boxes[:, 2:].max(0).tolist()
    return clip((x1, y1, x2, y2))


def middle(parts: list[Part]) -> tuple[float, float]:
    """The centre of the box around parts."""
    x1, y1, x2, y2 = around(parts)
    return (x1 + x2) / 2, (y1 + y2) / 2


def clip(box: Box) -> Box:
    """The box clipped to the picture and rounded to four places."""
    x1, y1, x2, y2 = (round(min(1.0, max(0.0, v)), 4) for v in box)
    return x1, y1, x2, y2
