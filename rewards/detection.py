# pyright: strict
"""What a detector found in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

Box = tuple[float, float, float, float]
"""`(x1, y1, x2, y2)` in fractions of the picture."""


class Found(NamedTuple):
    """One object: its class, the detector's confidence in 0..1, and its box."""

    label: str
    confidence: float
    box: Box


@dataclass(frozen=True, slots=True)
class Detection:
    """Best confidence of each asked class, and the objects above the threshold, the surest first.

    A class that the detector cannot know is missing from `best`.
    """

    best: dict[str, float]
    found: tuple[Found, ...]


class Detector(Protocol):
    """A detector whose classes are words. `version` is a hash of its weights and settings."""

    version: str

    def detect(self, image: np.ndarray, classes: Sequence[str]) -> Detection:
        """Objects of `classes` in `image` `[h, w, 3]` uint8."""
        ...


def from_square(box: Sequence[float], height: int, width: int) -> Box:
    """`box` in fractions of a picture that was padded to a square on its right and bottom → fractions of the picture.

    Cut at the picture's edges: a detector may find things in the padding.
    """
    x, y = max(height, width) / width, max(height, width) / height
    x1, y1, x2, y2 = (min(1.0, max(0.0, v)) for v in (box[0] * x, box[1] * y, box[2] * x, box[3] * y))
    return x1, y1, x2, y2
