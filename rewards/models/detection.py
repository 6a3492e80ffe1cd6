# pyright: strict
"""Detections: the objects that a detector found in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from rewards.arrays import ImageArray
from rewards.boxes import Box


class Found(NamedTuple):
    """One object: its class, the detector's confidence in 0..1, and its box."""

    label: str
    confidence: float
    box: Box


@dataclass(frozen=True, slots=True)
class Detection:
    """Best confidence of each asked class, and the objects above the threshold, the most confident first.

    A class that the detector cannot know is missing from `best`.
    """

    best: dict[str, float]
    found: tuple[Found, ...]


class Detector(Protocol):
    """A detector whose classes are words. `version` is a hash of its weights and settings."""

    version: str

    def detect(self, image: ImageArray, classes: Sequence[str]) -> Detection:
        """Objects of `classes` in `image` `[h, w, 3]` uint8."""
        ...
