# pyright: strict
"""Boxes around artifacts: the grammar of an answer, the frame they are given in, and the area they cover."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

Box = tuple[float, float, float, float]

_NUMBER = r"\s*(\d+(?:\.\d*)?|\.\d+)\s*"
_BOX = rf"\[{','.join([_NUMBER] * 4)}\]"
_ANSWER = re.compile(rf"\s*{_BOX}(?:\s*[,;]?\s*{_BOX})*\s*\.?\s*")


def parse_boxes(text: str) -> tuple[Box, ...] | None:
    """The boxes of an answer, `(x1, y1, x2, y2)` with x1 < x2 and y1 < y2, all in 0..1; None if it is no such answer.

    answer = box { [ "," | ";" ] box } [ "." ] ;  box = "[" x1 "," y1 "," x2 "," y2 "]"
    """
    if not _ANSWER.fullmatch(text):
        return None
    boxes = [(float(a), float(b), float(c), float(d)) for a, b, c, d in re.findall(_BOX, text)]
    if not all(0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1 for x1, y1, x2, y2 in boxes):
        return None
    return tuple(boxes)


def from_square(box: Box, width: int, height: int) -> Box | None:
    """A box in the square that a picture was padded to (the picture in its middle), in fractions of the picture.

    Cut to the picture; None if it lies in the padding altogether.
    """
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    x1, x2 = (min(max((x * side - left) / width, 0.0), 1.0) for x in box[::2])
    y1, y2 = (min(max((y * side - top) / height, 0.0), 1.0) for y in box[1::2])
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def covered(boxes: Sequence[Box]) -> float:
    """The share of the picture that lies in at least one box."""
    xs = sorted({x for box in boxes for x in box[::2]})
    ys = sorted({y for box in boxes for y in box[1::2]})
    return sum(
        (right - left) * (bottom - top)
        for left, right in pairwise(xs)
        for top, bottom in pairwise(ys)
        if any(x1 <= left and right <= x2 and y1 <= top and bottom <= y2 for x1, y1, x2, y2 in boxes)
    )
