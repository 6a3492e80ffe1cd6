# pyright: strict
"""Boxes as fractions of a picture, or of the square that it was padded to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Box = tuple[float, float, float, float]
"""`(x1, y1, x2, y2)`, fractions of the width and of the height"""


def from_square(box: Sequence[float], width: int, height: int, *, centred: bool) -> Box:
    """`box` in fractions of a picture that was padded to a square → fractions of the picture itself.

    The picture is in the middle of the square if `centred`, else in its upper left corner. Boxes are cut at the
    picture's edges: one in the padding becomes a box without an area.
    """
    side = max(width, height)
    left, top = ((side - width) // 2, (side - height) // 2) if centred else (0, 0)
    x1, x2 = (min(max((x * side - left) / width, 0.0), 1.0) for x in (box[0], box[2]))
    y1, y2 = (min(max((y * side - top) / height, 0.0), 1.0) for y in (box[1], box[3]))
    return x1, y1, x2, y2


def covered(boxes: Sequence[Box]) -> float:
    """The share of the picture inside at least one box."""
    xs = sorted({x for box in boxes for x in box[::2]})
    ys = sorted({y for box in boxes for y in box[1::2]})
    return sum(
        (right - left) * (bottom - top)
        for left, right in pairwise(xs)
        for top, bottom in pairwise(ys)
        if any(x1 <= left and right <= x2 and y1 <= top and bottom <= y2 for x1, y1, x2, y2 in boxes)
    )
