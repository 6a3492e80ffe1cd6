# pyright: strict
"""Boxes around artifacts: the grammar of an answer."""

from __future__ import annotations

import re

from rewards.boxes import Box

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
