"""The animals of the drawn world: a function for each species, which returns its parts in drawing order."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from menagerie.world.parts import Part, ellipse, face, legs, limb, part, triangle


def elephant() -> list[Part]:
    hx, hy = 0.3, -0.66
    return [
        part("tail", ("dark", limb([(-0.5, -0.6), (-0.62, -0.45), (-0.62, -0.3)], 0.06))),
        *legs((-0.36, -0.2, 0.1, 0.24), -0.42, 0.17),
        part("body", ("main", ellipse(-0.1, -0.52, 0.46, 0.32))),
        part("ear", ("dark", ellipse(hx - 0.3, hy - 0.02, 0.19, 0.26))),
        part("ear", ("dark", ellipse(hx + 0.3, hy - 0.02, 0.19, 0.26))),
        part("head", ("main", ellipse(hx, hy, 0.26, 0.27))),
        *face(hx, hy - 0.06, mouth=None),
        part(
            "trunk",
            (
                "main",
                limb(
                    [(hx, hy + 0.05), (hx + 0.02, hy + 0.28), (hx + 0.08, hy + 0.46), (hx + 0.24, hy + 0.5)], 0.17, 0.12
                ),
            ),
            ("dark", limb([(hx - 0.07, hy + 0.2), (hx + 0.1, hy + 0.2)], 0.03)),
            ("dark", limb([(hx - 0.05, hy + 0.32), (hx + 0.12, hy + 0.31)], 0.03)),
        ),
    ]


def giraffe() -> list[Part]:
    hx, hy = 0.36, -1.12
    spots = [(-0.32, -0.5), (-0.1, -0.44), (0.08, -0.53), (-0.2, -0.62), (0.22, -0.75), (0.3, -0.92)]
    return [
        part("tail", ("dark", limb([(-0.42, -0.58), (-0.54, -0.36)], 0.05))),
        *legs((-0.32, -0.2, 0.06, 0.17), -0.42, 0.1),
        part("body", ("main", ellipse(-0.08, -0.52, 0.38, 0.21))),
        part("neck", ("main", limb([(0.1, -0.5), (0.24, -0.8), (0.34, -1.1)], 0.26, 0.17))),
        part("spots", *(("patch", ellipse(x, y, 0.065, 0.055)) for x, y in spots)),
        part("horn", ("patch", limb([(hx - 0.08, hy - 0.14), (hx - 0.1, hy - 0.32)], 0.06))),
        part("horn", ("patch", limb([(hx + 0.08, hy - 0.14), (hx + 0.1, hy - 0.32)], 0.06))),
        part("ear", ("dark", ellipse(hx - 0.24, hy - 0.08, 0.1, 0.06))),
        part("ear", ("dark", ellipse(hx + 0.24, hy - 0.08, 0.1, 0.06))),
        part("head", ("main", ellipse(hx, hy, 0.18, 0.19))),
        part("snout", ("light", ellipse(hx, hy + 0.13, 0.14, 0.1))),
        *face(hx, hy - 0.04, gap=0.09, size=0.045, mouth=0.16),
    ]


def dog() -> list[Part]:
    hx, hy = 0.26, -0.66
    return [
        part("tail", ("main", limb([(-0.42, -0.5), (-0.6, -0.72), (-0.58, -0.86)], 0.11, 0.07))),
        *legs((-0.36, -0.24, 0.06, 0.18), -0.36, 0.12),
        part("body", ("main", ellipse(-0.1, -0.42, 0.4, 0.22))),
        part("head", ("main", ellipse(hx, hy, 0.26, 0.24))),
        part("ear", ("dark", ellipse(hx - 0.26, hy + 0.04, 0.1, 0.22, 0.15))),
        part("ear", ("dark", ellipse(hx + 0.26, hy + 0.04, 0.1, 0.22, -0.15))),
        part("snout", ("light", ellipse(hx, hy + 0.11, 0.14, 0.11))),
        *face(hx, hy - 0.05, mouth=0.19),
        part("nose", ("ink", ellipse(hx, hy + 0.06, 0.06, 0.045))),
    ]


def cat() -> list[Part]:
    hx, hy = 0.24, -0.64
    return [
        part("tail", ("main", limb([(-0.42, -0.4), (-0.62, -0.6), (-0.58, -0.88), (-0.44, -0.96)], 0.09, 0.07))),
        *legs((-0.36, -0.24, 0.06, 0.18), -0.34, 0.11),
        part("body", ("main", ellipse(-0.1, -0.4, 0.38, 0.2))),
        part(
            "ear",
            ("main", triangle((hx - 0.27, hy - 0.06), (hx - 0.25, hy - 0.42), (hx - 0.01, hy - 0.18))),
            ("blush", triangle((hx - 0.21, hy - 0.14), (hx - 0.21, hy - 0.31), (hx - 0.1, hy - 0.2))),
        ),
        part(
            "ear",
            ("main", triangle((hx + 0.27, hy - 0.06), (hx + 0.25, hy - 0.42), (hx + 0.01, hy - 0.18))),
            ("blush", triangle((hx + 0.21, hy - 0.14), (hx + 0.21, hy - 0.31), (hx + 0.1, hy - 0.2))),
        ),
        part("head", ("main", ellipse(hx, hy, 0.28, 0.23))),
        *face(hx, hy - 0.03, mouth=0.14),
        part("nose", ("blush", triangle((hx - 0.05, hy + 0.05), (hx + 0.05, hy + 0.05), (hx, hy + 0.11)))),
    ]


def rabbit() -> list[Part]:
    hx, hy = 0.2, -0.56
    return [
        part("tail", ("light", ellipse(-0.44, -0.36, 0.12, 0.12))),
        *legs((-0.28, -0.16, 0.08, 0.2), -0.24, 0.12),
        part("body", ("main", ellipse(-0.1, -0.32, 0.34, 0.22))),
        part(
            "ear",
            ("main", ellipse(hx - 0.12, hy - 0.4, 0.085, 0.3, -0.12)),
            ("blush", ellipse(hx - 0.12, hy - 0.4, 0.04, 0.22, -0.12)),
        ),
        part(
            "ear",
            ("main", ellipse(hx + 0.12, hy - 0.4, 0.085, 0.3, 0.12)),
            ("blush", ellipse(hx + 0.12, hy - 0.4, 0.04, 0.22, 0.12)),
        ),
        part("head", ("main", ellipse(hx, hy, 0.25, 0.22))),
        *face(hx, hy - 0.03, mouth=0.13),
        part("nose", ("blush", ellipse(hx, hy + 0.06, 0.045, 0.03))),
    ]


def bear() -> list[Part]:
    hx, hy = 0.24, -0.74
    return [
        *legs((-0.38, -0.22, 0.06, 0.22), -0.34, 0.19),
        part("body", ("main", ellipse(-0.08, -0.48, 0.46, 0.3))),
        part("ear", ("dark", ellipse(hx - 0.22, hy - 0.22, 0.12, 0.12))),
        part("ear", ("dark", ellipse(hx + 0.22, hy - 0.22, 0.12, 0.12))),
        part("head", ("main", ellipse(hx, hy, 0.3, 0.27))),
        part("snout", ("light", ellipse(hx, hy + 0.12, 0.16, 0.12))),
        *face(hx, hy - 0.06, mouth=0.21),
        part("nose", ("ink", ellipse(hx, hy + 0.06, 0.07, 0.05))),
    ]


def duck() -> list[Part]:
    hx, hy = 0.22, -0.76
    return [
        *legs((-0.14, 0.08), -0.22, 0.08, "beak", "beak"),
        part("foot", ("beak", ellipse(-0.1, -0.02, 0.11, 0.04)), ("beak", ellipse(0.12, -0.02, 0.11, 0.04))),
        part("tail", ("main", triangle((-0.36, -0.5), (-0.66, -0.66), (-0.42, -0.3)))),
        part("body", ("main", ellipse(-0.06, -0.4, 0.42, 0.25))),
        part("wing", ("dark", ellipse(-0.14, -0.42, 0.22, 0.13, 0.2))),
        part("head", ("main", ellipse(hx, hy, 0.22, 0.22))),
        *face(hx + 0.02, hy - 0.05, gap=0.1, mouth=None),
        part("beak", ("beak", ellipse(hx + 0.08, hy + 0.09, 0.2, 0.07))),
    ]


def pig() -> list[Part]:
    hx, hy = 0.26, -0.56
    return [
        part("tail", ("dark", limb([(-0.5, -0.5), (-0.6, -0.6), (-0.66, -0.5), (-0.58, -0.44)], 0.05))),
        *legs((-0.36, -0.22, 0.04, 0.18), -0.26, 0.14),
        part("body", ("main", ellipse(-0.1, -0.42, 0.44, 0.28))),
        part("ear", ("dark", triangle((hx - 0.26, hy - 0.08), (hx - 0.3, hy - 0.36), (hx - 0.06, hy - 0.2)))),
        part("ear", ("dark", triangle((hx + 0.26, hy - 0.08), (hx + 0.3, hy - 0.36), (hx + 0.06, hy - 0.2)))),
        part("head", ("main", ellipse(hx, hy, 0.27, 0.25))),
        *face(hx, hy - 0.08, mouth=None),
        part(
            "snout",
            ("dark", ellipse(hx, hy + 0.08, 0.15, 0.1)),
            ("ink", ellipse(hx - 0.055, hy + 0.08, 0.028, 0.045)),
            ("ink", ellipse(hx + 0.055, hy + 0.08, 0.028, 0.045)),
        ),
    ]


def lion() -> list[Part]:
    hx, hy = 0.24, -0.7
    return [
        part(
            "tail",
            ("main", limb([(-0.44, -0.5), (-0.64, -0.56), (-0.66, -0.74)], 0.06)),
            ("patch", ellipse(-0.66, -0.8, 0.09, 0.11)),
        ),
        *legs((-0.36, -0.23, 0.06, 0.2), -0.34, 0.13),
        part("body", ("main", ellipse(-0.1, -0.43, 0.4, 0.22))),
        part("mane", ("patch", ellipse(hx, hy, 0.38, 0.37))),
        part("ear", ("main", ellipse(hx - 0.19, hy - 0.22, 0.09, 0.09))),
        part("ear", ("main", ellipse(hx + 0.19, hy - 0.22, 0.09, 0.09))),
        part("head", ("main", ellipse(hx, hy, 0.24, 0.23))),
        *face(hx, hy - 0.04, mouth=0.16),
        part("nose", ("ink", triangle((hx - 0.06, hy + 0.05), (hx + 0.06, hy + 0.05), (hx, hy + 0.11)))),
    ]


def cow() -> list[Part]:
    hx, hy = 0.28, -0.7
    return [
        part(
            "tail",
            ("main", limb([(-0.5, -0.6), (-0.62, -0.46), (-0.62, -0.34)], 0.05)),
            ("ink", ellipse(-0.62, -0.28, 0.05, 0.09)),
        ),
        *legs((-0.38, -0.24, 0.06, 0.2), -0.36, 0.13),
        part("body", ("main", ellipse(-0.1, -0.5, 0.44, 0.27))),
        part("spots", ("ink", ellipse(-0.32, -0.56, 0.13, 0.12)), ("ink", ellipse(-0.06, -0.4, 0.12, 0.09))),
        part(
            "horn", ("horn", limb([(hx - 0.14, hy - 0.2), (hx - 0.26, hy - 0.3), (hx - 0.24, hy - 0.44)], 0.09, 0.04))
        ),
        part(
            "horn", ("horn", limb([(hx + 0.14, hy - 0.2), (hx + 0.26, hy - 0.3), (hx + 0.24, hy - 0.44)], 0.09, 0.04))
        ),
        part("ear", ("dark", ellipse(hx - 0.31, hy - 0.06, 0.12, 0.07))),
        part("ear", ("dark", ellipse(hx + 0.31, hy - 0.06, 0.12, 0.07))),
        part("head", ("main", ellipse(hx, hy, 0.23, 0.26))),
        *face(hx, hy - 0.08, mouth=None),
        part(
            "snout",
            ("blush", ellipse(hx, hy + 0.15, 0.19, 0.12)),
            ("ink", ellipse(hx - 0.07, hy + 0.14, 0.03, 0.035)),
            ("ink", ellipse(hx + 0.07, hy + 0.14, 0.03, 0.035)),
        ),
    ]


def sheep() -> list[Part]:
    hx, hy = 0.3, -0.6
    wool = [(-0.4, -0.44), (-0.3, -0.62), (-0.1, -0.68), (0.08, -0.6), (0.1, -0.4), (-0.08, -0.3), (-0.28, -0.3)]
    return [
        *legs((-0.32, -0.2, 0.0, 0.12), -0.3, 0.09, "ink", "ink"),
        part(
            "body", ("main", ellipse(-0.14, -0.47, 0.36, 0.24)), *(("main", ellipse(x, y, 0.16, 0.15)) for x, y in wool)
        ),
        part("ear", ("ink", ellipse(hx - 0.24, hy - 0.02, 0.12, 0.065, -0.3))),
        part("ear", ("ink", ellipse(hx + 0.24, hy - 0.02, 0.12, 0.065, 0.3))),
        part("head", ("ink", ellipse(hx, hy, 0.18, 0.23))),
        part("mane", ("main", ellipse(hx, hy - 0.2, 0.19, 0.11))),
        *face(hx, hy - 0.03, gap=0.085, mouth=None),
        part("mouth", ("blush", limb([(hx - 0.06, hy + 0.12), (hx, hy + 0.15), (hx + 0.06, hy + 0.12)], 0.04))),
    ]


def penguin() -> list[Part]:
    hx, hy = 0.0, -0.86
    return [
        part("leg", ("beak", ellipse(-0.14, -0.04, 0.13, 0.06))),
        part("leg", ("beak", ellipse(0.14, -0.04, 0.13, 0.06))),
        part("wing", ("dark", ellipse(-0.32, -0.44, 0.09, 0.26, 0.25))),
        part("wing", ("dark", ellipse(0.32, -0.44, 0.09, 0.26, -0.25))),
        part("body", ("main", ellipse(0, -0.42, 0.31, 0.38)), ("white", ellipse(0, -0.38, 0.2, 0.29))),
        part("head", ("main", ellipse(hx, hy, 0.24, 0.22)), ("white", ellipse(hx, hy + 0.05, 0.16, 0.13))),
        *face(hx, hy, gap=0.085, mouth=None),
        part("beak", ("beak", triangle((hx - 0.09, hy + 0.07), (hx + 0.09, hy + 0.07), (hx, hy + 0.2)))),
    ]


SPECIES: dict[str, Callable[[], list[Part]]] = {
    f.__name__: f for f in (elephant, giraffe, dog, cat, rabbit, bear, duck, pig, lion, cow, sheep, penguin)
}


@cache
def anatomy(species: str) -> tuple[Part, ...]:
    """The parts of a species in drawing order, scaled to a height of one unit and centred on x = 0."""
    parts = SPECIES[species]()
    points = np.concatenate([p for one in parts for _, p in one.shapes])
    low, high = points.min(0), points.max(0)
    scale = 1.0 / max(high[1] - low[1], (high[0] - low[0]) / 1.15)
    shift = np.array([(low[0] + high[0]) / 2, 0.0])
    return tuple(one.moved(lambda p: (p - shift) * scale) for one in parts)
