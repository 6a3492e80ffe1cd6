"""Body parts: the named shapes that animals are drawn from.

A part is a list of filled polygons in the animal's own frame: x to the right, y *down*, feet on y = 0, about one unit
tall, facing right. Since everything is a polygon, damage (leaving out, doubling, moving, warping, recolouring) is
arithmetic on vertices, and boxes are exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rewards.arrays import FloatArray

Polygon = FloatArray
"""`[m, 2]` vertices."""

FACE = ("eye", "mouth", "nose")
HEAD = (*FACE, "head", "ear", "trunk", "snout", "beak", "horn", "mane")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A body part: its name, and its polygons, each with the role that determines its colour (see `canvas.palette`)."""

    name: str
    shapes: tuple[tuple[str, Polygon], ...]

    def moved(self, transform: Callable[[Polygon], Polygon]) -> Part:
        """The part with every vertex transformed."""
        return Part(self.name, tuple((role, transform(p)) for role, p in self.shapes))

    def painted(self, roles: dict[str, str]) -> Part:
        """The part with some roles replaced by others, or by names of colours."""
        return Part(self.name, tuple((roles.get(role, role), p) for role, p in self.shapes))

    def box(self) -> tuple[float, float, float, float]:
        """`(x1, y1, x2, y2)` around all polygons."""
        points = np.concatenate([p for _, p in self.shapes])
        x1, y1 = points.min(0).tolist()
        x2, y2 = points.max(0).tolist()
        return x1, y1, x2, y2


def ellipse(x: float, y: float, rx: float, ry: float, tilt: float = 0.0) -> Polygon:
    """A 20-gon around (x, y), tilted clockwise by `tilt` radians."""
    a = np.linspace(0, 2 * math.pi, 20, endpoint=False)
    u, v = rx * np.cos(a), ry * np.sin(a)
    return np.stack([x + u * math.cos(tilt) - v * math.sin(tilt), y + u * math.sin(tilt) + v * math.cos(tilt)], 1)


def limb(points: Sequence[tuple[float, float]], width: float, end: float | None = None) -> Polygon:
    """A thick line through `points`, `width` wide at its start and `end` (default: the same) at its end."""
    path = np.asarray(points, float)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = (
        np.stack([-along[:, 1], along[:, 0]], 1)
        * np.linspace(width, width if end is None else end, len(path))[:, None]
        / 2
    )
    return np.concatenate([path + across, (path - across)[::-1]])


def triangle(*points: tuple[float, float]) -> Polygon:
    return np.asarray(points, float)


def legs(xs: Sequence[float], top: float, width: float, near: str = "main", far: str = "dark") -> list[Part]:
    """Legs at `xs`, alternately on the near and the far side; the far ones are drawn first."""
    made = [
        Part("leg", ((far if i % 2 else near, limb([(x, top), (x, top / 2), (x, 0)], width)),))
        for i, x in enumerate(xs)
    ]
    return made[1::2] + made[0::2]


def face(x: float, y: float, gap: float = 0.115, size: float = 0.05, mouth: float | None = 0.13) -> list[Part]:
    """Two eyes, and, `mouth` below them, a smile (None: no mouth)."""
    eyes = [
        Part(
            "eye",
            (
                ("white", ellipse(x + s * gap, y, size * 1.15, size * 1.3)),
                ("ink", ellipse(x + s * gap, y + 0.01, size * 0.75, size * 0.9)),
            ),
        )
        for s in (-1, 1)
    ]
    if mouth is None:
        return eyes
    smile = limb([(x - 0.08, y + mouth), (x, y + mouth + 0.045), (x + 0.08, y + mouth)], 0.04)
    return [*eyes, Part("mouth", (("ink", smile),))]


def part(name: str, *shapes: tuple[str, Polygon]) -> Part:
    return Part(name, shapes)
