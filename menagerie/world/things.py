"""Things that animals hold: each is drawn as a part of the animal, and has a category for prompts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from menagerie.world.parts import Part, Polygon, ellipse, limb, part, triangle

BALLOONS: dict[str, Callable[[float, float], Polygon]] = {
    "round": lambda x, y: ellipse(x, y, 0.17, 0.2),
    "square": lambda x, y: _around(x, y, [(-0.16, -0.16), (0.16, -0.16), (0.16, 0.16), (-0.16, 0.16)]),
    "star": lambda x, y: _around(
        x,
        y,
        [
            ((0.24, 0.1)[k % 2] * math.sin(k * math.pi / 5), -(0.24, 0.1)[k % 2] * math.cos(k * math.pi / 5))
            for k in range(10)
        ],
    ),
    "heart": lambda x, y: _around(
        x, y, [(0, 0.22), (-0.2, 0), (-0.19, -0.14), (-0.09, -0.2), (0, -0.1), (0.09, -0.2), (0.19, -0.14), (0.2, 0)]
    ),
}
"""Shape of a balloon → its outline around a point."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A kind of thing: its name in captions, its prompt category, its colours and shapes, and whether it is food."""

    words: str
    category: str
    colours: tuple[str, ...]
    draw: Callable[[str, str | None], tuple[tuple[str, Polygon], ...]]
    food: bool = False
    shapes: tuple[str, ...] = ()


def balloon(colour: str, shape: str | None) -> tuple[tuple[str, Polygon], ...]:
    outline = BALLOONS[shape or "round"](0.02, -0.52)
    return ("ink", limb([(0, 0), (0.04, -0.2), (0.02, -0.36)], 0.03)), (colour, outline)


def flower(colour: str, shape: str | None) -> tuple[tuple[str, Polygon], ...]:
    petals = [ellipse(0.12 * math.cos(a), -0.42 + 0.12 * math.sin(a), 0.1, 0.1) for a in np.arange(5) * 2 * math.pi / 5]
    return (
        ("green", limb([(0, 0.06), (0, -0.2), (0, -0.4)], 0.045)),
        ("green", ellipse(0.08, -0.12, 0.09, 0.04, -0.5)),
        *((colour, p) for p in petals),
        ("horn", ellipse(0, -0.42, 0.07, 0.07)),
    )


def apple(colour: str, shape: str | None) -> tuple[tuple[str, Polygon], ...]:
    return (
        (colour, ellipse(-0.05, -0.16, 0.12, 0.15)),
        (colour, ellipse(0.05, -0.16, 0.12, 0.15)),
        ("ink", limb([(0, -0.26), (0.02, -0.38)], 0.035)),
        ("green", ellipse(0.1, -0.36, 0.09, 0.045, -0.4)),
    )


def carrot(colour: str, shape: str | None) -> tuple[tuple[str, Polygon], ...]:
    leaves = [limb([(0, -0.3), (x, -0.5)], 0.06) for x in (-0.1, 0.0, 0.1)]
    return (*(("green", p) for p in leaves), (colour, triangle((-0.12, -0.32), (0.12, -0.32), (0.0, 0.12))))


def ball(colour: str, shape: str | None) -> tuple[tuple[str, Polygon], ...]:
    stripe = limb([(-0.17, -0.2), (0, -0.15), (0.17, -0.2)], 0.07)
    return (colour, ellipse(0, -0.18, 0.18, 0.18)), ("white" if colour != "white" else "red", stripe)


def flag(colour: str, shape: str | None) -> tuple[tuple[str, Polygon], ...]:
    cloth = np.array([(0.02, -0.68), (0.34, -0.64), (0.26, -0.54), (0.34, -0.42), (0.02, -0.4)])
    return ("ink", limb([(0, 0.08), (0, -0.7)], 0.045)), (colour, cloth)


def umbrella(colour: str, shape: str | None) -> tuple[tuple[str, Polygon], ...]:
    a = np.linspace(math.pi, 2 * math.pi, 13)
    dome = np.stack([0.3 * np.cos(a), -0.36 + 0.28 * np.sin(a)], 1)
    return ("ink", limb([(0, 0.06), (0, -0.4)], 0.045)), (colour, dome), ("ink", limb([(0, -0.62), (0, -0.7)], 0.04))


def lantern(colour: str, shape: str | None) -> tuple[tuple[str, Polygon], ...]:
    return (
        ("ink", limb([(0, 0), (0, -0.12)], 0.04)),
        ("ink", _around(0, -0.27, [(-0.14, -0.17), (0.14, -0.17), (0.14, 0.17), (-0.14, 0.17)])),
        (colour, _around(0, -0.27, [(-0.09, -0.12), (0.09, -0.12), (0.09, 0.12), (-0.09, 0.12)])),
        ("ink", triangle((-0.16, -0.44), (0.16, -0.44), (0, -0.58))),
    )


def boat(colour: str, shape: str | None) -> tuple[tuple[str, Polygon], ...]:
    hull = np.array([(-0.26, -0.16), (0.26, -0.16), (0.16, 0.02), (-0.16, 0.02)])
    return (
        (colour, hull),
        ("ink", limb([(0, -0.14), (0, -0.56)], 0.04)),
        ("white", triangle((0.04, -0.54), (0.04, -0.2), (0.24, -0.2))),
        ("white", triangle((-0.04, -0.48), (-0.04, -0.2), (-0.2, -0.2))),
    )


def house(colour: str, shape: str | None) -> tuple[tuple[str, Polygon], ...]:
    return (
        ("horn", _around(0, -0.14, [(-0.18, -0.16), (0.18, -0.16), (0.18, 0.16), (-0.18, 0.16)])),
        (colour, triangle((-0.25, -0.28), (0.25, -0.28), (0, -0.54))),
        ("ink", _around(0, -0.06, [(-0.05, -0.1), (0.05, -0.1), (0.05, 0.08), (-0.05, 0.08)])),
    )


BRIGHT = ("red", "orange", "yellow", "green", "blue", "pink")
THINGS: dict[str, Thing] = {
    "balloon": Thing("balloon", "abstract and conceptual", BRIGHT, balloon, shapes=tuple(BALLOONS)),
    "flower": Thing("flower", "plants", ("red", "orange", "blue", "pink"), flower),
    "apple": Thing("apple", "food and beverages", ("red", "green", "yellow"), apple, food=True),
    "carrot": Thing("carrot", "food and beverages", ("orange",), carrot, food=True),
    "ball": Thing("ball", "sports and fitness", BRIGHT, ball),
    "flag": Thing("flag", "art and culture", BRIGHT, flag),
    "umbrella": Thing("umbrella", "everyday objects", BRIGHT, umbrella),
    "lantern": Thing("lantern", "technology and industry", ("yellow", "orange"), lantern),
    "boat": Thing("toy boat", "transportation", ("red", "green", "blue", "orange"), boat),
    "house": Thing("toy house", "cities and architecture", ("red", "green", "blue"), house),
}
SNORE = "snore"
EXTRAS = (*THINGS, "arm", SNORE)
"""Names of parts that do not belong to the body of an animal."""

HAND = (0.57, -0.48)


def holding(kind: str, colour: str, shape: str | None) -> list[Part]:
    """An arm and the thing in its hand, in the animal's own frame."""
    x, y = HAND
    arm = part("arm", ("main", limb([(0.12, -0.34), (0.36, -0.36), (x, y + 0.02)], 0.13, 0.1)))
    thing = part(kind, *THINGS[kind].draw(colour, shape)).moved(lambda p: p + np.array(HAND))
    return [thing, arm]


def sleeping(parts: Sequence[Part]) -> list[Part]:
    """The parts of an animal that sleeps: its eyes are closed, and two Zs rise from its head."""
    eyes = [p.box() for p in parts if p.name == "eye"]
    closed = [
        part("eye", ("ink", limb([(a, (b + d) / 2), ((a + c) / 2, d), (c, (b + d) / 2)], 0.045))) for a, b, c, d in eyes
    ]
    x, top = max(e[2] for e in eyes), min(p.box()[1] for p in parts)
    zs = [_letter_z(x + 0.1, top - 0.02, 0.13), _letter_z(x + 0.26, top - 0.2, 0.18)]
    return [*(p for p in parts if p.name != "eye"), *closed, part(SNORE, *(("blue", z) for z in zs))]


def _letter_z(x: float, y: float, side: float) -> Polygon:
    w, t = side, side * 0.28
    upper = [(0, 0), (w, 0), (w, t), (t * 1.2, w - t), (w, w - t)]
    return _around(x, y, [*upper, *((w - a, w - b) for a, b in upper)])


def _around(x: float, y: float, points: Sequence[tuple[float, float]]) -> Polygon:
    return np.array(points, float) + np.array([x, y])
