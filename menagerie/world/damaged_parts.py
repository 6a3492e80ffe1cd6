"""Artifacts of parts: body parts, letters or positions are changed before the picture is rasterised.

Each function changes a `Draft` in place, and returns the box and the caption of the artifact.
"""

from __future__ import annotations

import math
import random

import numpy as np

from menagerie.world.canvas import SIGN
from menagerie.world.draft import Draft, around, clip, middle
from menagerie.world.parts import FACE, HEAD, Part, Polygon, ellipse, limb
from menagerie.world.scene import COLOURS
from rewards.boxes import Box


def _densified(points: Polygon) -> Polygon:
    """The polygon with each edge cut into four, so that a warp bends it."""
    nxt = np.roll(points, -1, axis=0)
    return np.concatenate([points + (nxt - points) * f for f in (0, 0.25, 0.5, 0.75)], 1).reshape(-1, 2)


def illegible(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    x, y, w, h = SIGN
    strokes: list[Polygon] = []
    for _ in range(5):
        a = [(x + w * rng.uniform(0.12, 0.88), y + h * rng.uniform(0.16, 0.84)) for _ in range(3)]
        strokes.append(limb(a, 0.028))
    draft.strokes = strokes
    return clip((x, y, x + w, y + h)), "the sign carries strokes that are no letters"


def awkward(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    body, size = draft.bodies[i], draft.scene.creatures[i].size
    x, y = middle([p for p in body if p.name in FACE])
    side = rng.choice((-1, 1))
    wide, small = (
        ellipse(x - side * 0.12 * size, y - 0.04 * size, 0.17 * size, 0.17 * size),
        ellipse(x + side * 0.17 * size, y + 0.06 * size, 0.07 * size, 0.1 * size),
    )
    teeth = [
        (x + size * (u - 0.5) * 0.46, y + size * (0.17 + (0.1 if k % 2 else 0.0) + side * 0.1 * (u - 0.5)))
        for k, u in enumerate(np.linspace(0, 1, 6))
    ]
    shapes = (
        ("white", wide), ("ink", ellipse(x - side * 0.2 * size, y - 0.1 * size, 0.05 * size, 0.05 * size)),
        ("white", small), ("ink", ellipse(x + side * 0.17 * size, y + 0.12 * size, 0.035 * size, 0.035 * size)),
        ("red", limb(teeth, 0.09 * size)),
    )  # fmt: skip
    grimace = Part("mouth", shapes)
    draft.bodies[i] = [p for p in body if p.name not in FACE] + [grimace]
    return around([grimace]), f"the face of the {draft.species(i)} is a grimace with uneven eyes"


def distorted(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    size = draft.scene.creatures[i].size
    a, f = size * rng.uniform(0.13, 0.17), rng.uniform(2.2, 3.0) * math.pi / size
    px, py = rng.uniform(0, 6.3), rng.uniform(0, 6.3)

    def wave(p: Polygon) -> Polygon:
        p = _densified(p)
        return np.stack([p[:, 0] + a * np.sin(f * p[:, 1] + px), p[:, 1] + 0.8 * a * np.sin(f * p[:, 0] + py)], 1)

    draft.bodies[i] = [p.moved(wave) for p in draft.bodies[i]]
    return around(draft.bodies[i]), f"the body of the {draft.species(i)} is warped"


def duplicated(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    body, creature = draft.bodies[i], draft.scene.creatures[i]
    head = [p for p in body if p.name in HEAD or p.name == "neck"]
    if abs(middle(head)[0] - creature.x) > 0.08 * creature.size:  # the second head looks out at the other end
        extra = [p.moved(lambda v: np.stack([2 * creature.x - v[:, 0], v[:, 1]], 1)) for p in head]
        draft.bodies[i] = body + extra
    else:
        aside = np.array([0.24 * creature.size, 0.0])
        extra = [p.moved(lambda v: v - aside) for p in head] + [p.moved(lambda v: v + aside) for p in head]
        draft.bodies[i] = [p for p in body if p not in head] + extra
    return around(extra), f"the {draft.species(i)} has two heads"


def omitted(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    body, species = draft.bodies[i], draft.species(i)
    choices: dict[str, tuple[str, ...]] = {"legs": ("leg", "foot"), "head": HEAD}
    if species == "elephant":
        choices["trunk"] = ("trunk",)
    if species == "rabbit":
        choices["ears"] = ("ear",)
    what = rng.choice(tuple(choices))
    gone = [p for p in body if p.name in choices[what]]
    draft.bodies[i] = [p for p in body if p not in gone]
    return around(gone), f"the {species} has no {what}"


def misplaced(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    body, creature = draft.bodies[i], draft.scene.creatures[i]
    if rng.random() < 0.5:
        top, low = (around(body)[k] for k in (1, 3))
        draft.bodies[i] = [p.moved(lambda v: np.stack([v[:, 0], top + low - v[:, 1]], 1)) for p in body]
        return around(draft.bodies[i]), f"the {creature.species} stands on its head"
    small = min(1.0, 0.42 / creature.size)
    lift = rng.uniform(0.44, 0.48)
    origin = np.array([creature.x, creature.ground])
    draft.bodies[i] = [p.moved(lambda v: (v - origin) * small + [creature.x, lift]) for p in body]
    draft.standing[i] = False
    return around(draft.bodies[i]), f"the {creature.species} floats in the air"


def pierced(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    creature = draft.scene.creatures[i]
    x, y = middle([p for p in draft.bodies[i] if p.name == "body"])
    tilt, reach, width = rng.uniform(-0.5, 0.5), 0.62 * creature.size, 0.15 * creature.size
    dx, dy = reach * math.cos(tilt), reach * math.sin(tilt)
    pole = limb([(x - dx, y - dy), (x, y), (x + dx, y + dy)], width)
    draft.over += [
        (pole, (96, 60, 34)),
        (ellipse(x + dx, y + dy, width * 0.4, width * 0.55, tilt), (222, 184, 130)),
        (limb([(x - dx, y - dy - width * 0.2), (x + dx * 0.9, y + dy - width * 0.2)], width * 0.2), (136, 92, 54)),
    ]
    return around([Part("pole", (("ink", pole),))]), f"a pole passes through the {creature.species}"


def recoloured(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    creature = draft.scene.creatures[i]
    own = np.array(COLOURS[creature.colour])
    clashing = [
        n for n, c in COLOURS.items() if np.abs(own - np.array(c)).sum() > 200 and n not in ("black", "white", "grey")
    ]
    colour = rng.choice(clashing)
    group = HEAD if rng.random() < 0.5 else ("body", "neck")
    roles = {"main": colour, "dark": colour, "patch": colour} | (
        {"ink": colour} if creature.species == "sheep" and group is HEAD else {}
    )
    hit = [p for p in draft.bodies[i] if p.name in group and p.name not in FACE]
    draft.bodies[i] = [p.painted(roles) if p in hit else p for p in draft.bodies[i]]
    return around(hit), f"a part of the {creature.species} is {colour}"


def cut_off(draft: Draft, rng: random.Random) -> tuple[Box, str]:
    i = draft.pick(rng)
    body, creature = draft.bodies[i], draft.scene.creatures[i]
    x1, _, x2, _ = around(body)
    seen = rng.uniform(0.4, 0.6)
    right = creature.x > 0.5 if len(draft.bodies) > 1 else rng.random() < 0.5 and not draft.scene.sign
    shift = 1.0 - (x1 + (x2 - x1) * seen) if right else -(x2 - (x2 - x1) * seen)
    draft.bodies[i] = [p.moved(lambda v: v + np.array([shift, 0.0])) for p in body]
    draft.standing[i] = False
    return around(draft.bodies[i]), f"the {creature.species} is cut off by the edge"
