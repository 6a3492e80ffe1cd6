"""Ratings of a picture by several annotators, and their consensus, as in Rich Human Feedback (arXiv 2312.10240)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewards.arrays import Float32Array

Point = tuple[float, float]
"""`(x, y)` in fractions of the picture."""

STEPS = 5
"""Scores are whole steps from 1 to 5."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One annotator's rating: four scores 1..5 (plausibility, alignment, aesthetics, overall), points where the picture
    is implausible, points where it is misaligned with the prompt, and for each word whether it is misaligned."""

    scores: tuple[int, int, int, int]
    artifact_points: tuple[Point, ...]
    misalignment_points: tuple[Point, ...]
    misaligned: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Consensus:
    """The labels of a picture from several ratings: four scores 0..1, two maps `[h, w]` in 0..1, misaligned words."""

    scores: tuple[float, float, float, float]
    artifact_map: Float32Array
    misalignment_map: Float32Array
    misaligned: tuple[bool, ...]


def consolidate(ratings: Sequence[Rating], height: int, width: int) -> Consensus:
    """The consensus of ratings of one picture; raises ValueError if there are none or they have different words.

    Scores are means, scaled by `(s − 1)/4`. A word is misaligned if more than half of the annotators marked it. A map
    is the mean of the annotators' maps, in which points are disks of radius `height/20`.
    """
    if not ratings:
        raise ValueError("there is nothing to consolidate: no ratings")
    if len({len(r.misaligned) for r in ratings}) > 1:
        raise ValueError(f"the annotators labelled {[len(r.misaligned) for r in ratings]} words of one prompt")
    plausibility, alignment, aesthetics, overall = (
        (sum(r.scores[k] for r in ratings) / len(ratings) - 1) / (STEPS - 1) for k in range(4)
    )
    return Consensus(
        (plausibility, alignment, aesthetics, overall),
        _mean_map([r.artifact_points for r in ratings], height, width),
        _mean_map([r.misalignment_points for r in ratings], height, width),
        tuple(2 * sum(votes) > len(ratings) for votes in zip(*(r.misaligned for r in ratings), strict=True)),
    )


def disks(points: Sequence[Point], height: int, width: int) -> Float32Array:
    """One annotator's map `[height, width]`: 1 for pixels whose centre is within `height/20` of a point, else 0."""
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    found = np.zeros((height, width), np.float32)
    for x, y in points:
        found[np.hypot(columns - x * width, rows - y * height) <= height / 20] = 1
    return found


def _mean_map(each: Sequence[Sequence[Point]], height: int, width: int) -> Float32Array:
    return np.stack([disks(points, height, width) for points in each]).mean(0, dtype=np.float32)
