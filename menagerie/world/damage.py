"""The thirteen categories of artifacts, each drawn as damage to the parts or to the pixels of a picture.

A picture may have two of them; they are applied in the order of `KINDS`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from learners.judges.datasets.annotation import Artifact
from menagerie.world import damaged_parts, damaged_pixels
from menagerie.world.draft import Draft
from rewards.boxes import Box

KINDS: dict[str, Callable[[Draft, random.Random], tuple[Box, str]]] = {
    "illegible letters": damaged_parts.illegible,
    "awkward facial expression": damaged_parts.awkward,
    "distorted and deformated": damaged_parts.distorted,
    "duplicated": damaged_parts.duplicated,
    "omitted": damaged_parts.omitted,
    "spatial relationship": damaged_parts.misplaced,
    "non-spatial relationship": damaged_parts.pierced,
    "chromatic irregularity": damaged_parts.recoloured,
    "abnormal texture": damaged_pixels.textured,
    "luminance discrepancy": damaged_pixels.unevenly_lit,
    "impractical luminosity": damaged_pixels.glowing,
    "localized blur": damaged_pixels.blurred,
    "out of frame": damaged_parts.cut_off,
}
"""Category → the function that draws it, in the order of `configs/artifacts.yaml`."""


def damage(draft: Draft, categories: tuple[str, ...], rng: random.Random) -> tuple[Artifact, ...]:
    """Damages the draft by each of the categories, in the order of `KINDS`; returns the artifacts with their boxes."""
    found: list[Artifact] = []
    for category in sorted(categories, key=list(KINDS).index):
        box, caption = KINDS[category](draft, rng)
        found.append(Artifact(category, caption, box))
    return tuple(found)
