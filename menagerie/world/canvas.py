"""The canvas: rasterises scenes and body parts to pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from menagerie.world.parts import Part, Polygon, ellipse, limb
from menagerie.world.scene import COLOURS, Scene
from rewards.arrays import ImageArray

SIZE = 64
SCALE = 3
"""Supersampling: everything is drawn at `SIZE * SCALE` and reduced once at the end."""
WIDE = SIZE * SCALE

Colour = tuple[int, int, int]
INK, BARK = (34, 32, 40), (120, 78, 46)
MATERIALS: dict[str, tuple[Colour, Colour]] = {
    "wooden": (BARK, (250, 244, 224)),
    "metal": ((122, 132, 146), (208, 216, 226)),
}
"""Material of a sign → the colours of its post and rim, and of its board."""
FIXED: dict[str, Colour] = {
    "ink": INK, "white": (250, 250, 250), "beak": (240, 140, 40), "blush": (240, 160, 170), "horn": (236, 224, 196),
}  # fmt: skip
SKY: dict[str, Colour] = {
    "meadow": (150, 208, 244),
    "desert": (252, 218, 158),
    "snow": (182, 204, 228),
    "night": (40, 42, 92),
    "beach": (140, 214, 244),
}
GROUND: dict[str, Colour] = {
    "meadow": (116, 188, 88),
    "desert": (226, 180, 106),
    "snow": (232, 238, 248),
    "night": (44, 78, 74),
    "beach": (242, 222, 164),
}


def shade(colour: Colour, factor: float) -> Colour:
    """The colour darkened by a factor below 1, lightened by one above 1 (2 is white)."""
    r, g, b = (int(v * factor) if factor <= 1 else int(v + (255 - v) * (factor - 1)) for v in colour)
    return r, g, b


def palette(colour: str) -> dict[str, Colour]:
    """Role → RGB for an animal of that colour. Names of colours are roles, too, so that a part can have any colour."""
    main = COLOURS[colour]
    patch = shade(main, 0.55) if sum(main) > 260 else shade(main, 1.4)
    return {**COLOURS, **FIXED, "main": main, "dark": shade(main, 0.78), "light": shade(main, 1.5), "patch": patch}


@cache
def lettering(word: str) -> Image.Image:
    """The mask of `word`, cropped to its letters."""
    font = ImageFont.load_default(size=8 * SCALE)
    box = font.getbbox(word, stroke_width=1)
    mask = Image.new("L", (int(box[2] - box[0]), int(box[3] - box[1])))
    ImageDraw.Draw(mask).text((-box[0], -box[1]), word, fill=255, font=font, stroke_width=1)
    return mask


class Canvas:
    """A picture that is being drawn; coordinates are fractions of the picture."""

    def __init__(self, scene: Scene) -> None:
        self.image = background(scene.setting, scene.horizon).copy()
        self.pen = ImageDraw.Draw(self.image)

    def polygon(self, points: Polygon, colour: Colour) -> None:
        self.pen.polygon((points * WIDE).ravel().tolist(), fill=colour)

    def parts(self, parts: Iterable[Part], colour: str) -> None:
        """Draws parts (in picture coordinates) in an animal's colour."""
        colours = palette(colour)
        for part in parts:
            for role, points in part.shapes:
                self.polygon(points, colours[role])

    def shadow(self, x: float, ground: float, size: float, setting: str) -> None:
        """The contact shadow of an animal that stands on the ground; a floating one has none."""
        self.polygon(ellipse(x, ground, size * 0.46, size * 0.07), shade(GROUND[setting], 0.78))

    def sign(self, word: str, strokes: Sequence[Polygon] | None = None, material: str = "wooden") -> None:
        """A sign on the right with `word` on it, or with `strokes` in place of the letters."""
        rim, board = MATERIALS[material]
        self.polygon(limb([(0.81, 0.6), (0.81, 0.92)], 0.05), rim)
        x, y, w, h = SIGN
        self.polygon(np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)]), board)
        self.pen.rectangle([x * WIDE, y * WIDE, (x + w) * WIDE, (y + h) * WIDE], outline=rim, width=SCALE)
        if strokes is not None:
            for stroke in strokes:
                self.polygon(stroke, INK)
            return
        ink = lettering(word)
        at = (round((x + w / 2) * WIDE - ink.width / 2), round((y + h / 2) * WIDE - ink.height / 2))
        self.image.paste(INK, at, ink)

    def finish(self) -> ImageArray:
        """The picture, `[64, 64, 3]`."""
        return np.asarray(self.image.reduce(SCALE))


SIGN = (0.63, 0.44, 0.35, 0.22)
"""The sign's board: x, y, width, height."""


@cache
def _background(setting: str, row: int) -> Image.Image:
    horizon = row / WIDE
    image = Image.new("RGB", (WIDE, WIDE), SKY[setting])
    pen = ImageDraw.Draw(image)

    def fill(points: Polygon, colour: Colour) -> None:
        pen.polygon((points * WIDE).ravel().tolist(), fill=colour)

    if setting in ("meadow", "beach"):
        fill(ellipse(0.13, 0.13, 0.09, 0.09), (255, 226, 90))
    if setting == "night":
        fill(ellipse(0.86, 0.14, 0.09, 0.09), (250, 240, 190))
        fill(ellipse(0.82, 0.12, 0.08, 0.08), SKY["night"])
        for x, y in ((0.1, 0.1), (0.3, 0.2), (0.52, 0.08), (0.64, 0.28), (0.07, 0.36)):
            fill(ellipse(x, y, 0.015, 0.015), (250, 250, 220))
    if setting == "snow":
        for x, size in ((0.1, 0.34), (0.9, 0.4)):
            fill(
                np.array([(x - size * 0.4, horizon + 0.02), (x, horizon - size), (x + size * 0.4, horizon + 0.02)]),
                (70, 120, 100),
            )
    pen.rectangle([0, row, WIDE, WIDE], fill=GROUND[setting])
    if setting == "beach":
        pen.rectangle([0, row, WIDE, row + int(0.12 * WIDE)], fill=(58, 138, 206))
    if setting == "desert":
        fill(limb([(0.12, horizon + 0.04), (0.12, horizon - 0.26)], 0.07), (92, 150, 86))
        fill(limb([(0.12, horizon - 0.08), (0.2, horizon - 0.08), (0.2, horizon - 0.2)], 0.05), (92, 150, 86))
    return image


def background(setting: str, horizon: float) -> Image.Image:
    """The setting without animals. The image is cached: copy it before drawing on it."""
    return _background(setting, round(horizon * WIDE))
