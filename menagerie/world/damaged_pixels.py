"""Artifacts of pixels: textures, light and blur that are applied after the picture is rasterised.

Each function adds to a `Draft`'s list of pixel operations, and returns the box and the caption of the artifact.
"""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from menagerie.world.canvas import SCALE, SIZE, WIDE
from menagerie.world.caption import SMALL
from menagerie.world.draft import Draft, around, clip, middle
from menagerie.world.parts import FACE, Part, ellipse
from rewards.boxes import Box


def _outline(parts: list[Part], holes: list[Part]) -> Image.Image:
    """The mask of `parts` minus `holes`."""
    mask = Image.new("L", (WIDE, WIDE))
    pen = ImageDraw.Draw(mask)
    for fill, group in ((255, parts), (0, holes)):
        for part in group:
            for _, points in part.shapes:
                pen.polygon((points * WIDE).ravel().tolist(), fill=fill)
    return mask


def textured(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    creature = draft.scene.creatures[i]
    hit = [p for p in draft.bodies[i] if p.name in ("body", "neck", "head")]
    face = [p for p in draft.bodies[i] if p.name in FACE or p.name in ("snout", "beak", "trunk")]
    mask, cell = _outline(hit, face), 4 * SCALE
    a, b = rng.choice(
        (((250, 250, 250), (30, 30, 30)), ((250, 60, 200), (40, 220, 90)), ((250, 230, 60), (90, 40, 160)))
    )
    u, v = np.mgrid[0:WIDE, 0:WIDE] // cell
    board = Image.fromarray(np.where(((u + v) % 2)[..., None] == 0, np.array(a), np.array(b)).astype(np.uint8))
    draft.pixels.append(lambda image: Image.composite(board, image, mask))
    return around(hit), f"the skin of the {creature.species} is a chequered board"


def unevenly_lit(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    at, left = rng.uniform(0.42, 0.58), rng.random() < 0.5
    box = (0.0, 0.0, at, 1.0) if left else (at, 0.0, 1.0, 1.0)
    mask = Image.new("L", (WIDE, WIDE))
    ImageDraw.Draw(mask).rectangle([v * WIDE for v in box], fill=255)
    night = draft.scene.setting == "night"

    def light(image: Image.Image) -> Image.Image:
        other = (
            Image.blend(image, Image.new("RGB", image.size, "white"), 0.55)
            if night
            else image.point(lambda v: v * 0.36)
        )
        return Image.composite(other, image, mask)

    draft.pixels.append(light)
    return clip(box), f"one half of the picture is {'bright' if night else 'dark'}"


def glowing(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    x, y = middle(draft.bodies[i])
    x, y, r = x + rng.uniform(-0.08, 0.08), y + rng.uniform(-0.08, 0.08), rng.uniform(0.26, 0.34) * _share(draft, i)
    v, u = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    distance = np.hypot(u - x, v - y) / r
    alpha = (np.clip(1.5 * (1 - distance), 0, 1) * 255).astype(np.uint8)
    mask = Image.fromarray(alpha).resize((WIDE, WIDE))
    draft.pixels.append(lambda image: Image.composite(Image.new("RGB", image.size, (255, 255, 214)), image, mask))
    return clip((x - r, y - r, x + r, y + r)), f"the {draft.species(i)} glows like a lamp"


def blurred(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    x, y = middle(draft.bodies[i])
    x, y, r = x + rng.uniform(-0.06, 0.06), y + rng.uniform(-0.06, 0.06), rng.uniform(0.27, 0.33) * _share(draft, i)
    mask = Image.new("L", (WIDE, WIDE))
    ImageDraw.Draw(mask).polygon((ellipse(x, y, r, r) * WIDE).ravel().tolist(), fill=255)
    draft.pixels.append(
        lambda image: Image.composite(image.reduce(2).filter(ImageFilter.BoxBlur(5)).resize((WIDE, WIDE)), image, mask)
    )
    return clip((x - r, y - r, x + r, y + r)), f"the {draft.species(i)} is blurred in one place"


def _share(draft: Draft, i: int) -> float:
    """A factor for the radius, smaller for a small animal: if all of it were hidden, nothing could be recognised."""
    return 0.45 if draft.scene.creatures[i].size < SMALL else 1.0
