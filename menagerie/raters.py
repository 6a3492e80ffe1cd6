# pyright: strict
"""Simulated annotators: they know the truth about a drawn picture, and yet they disagree."""

from __future__ import annotations

import random
from collections.abc import Sequence

from menagerie.draft import Box
from menagerie.mismatch import WHOLE
from menagerie.ratings import STEPS, Point, Rating
from menagerie.truth import Truth

LENIENCY, NOISE = 0.2, 1.0
"""A rater's own leniency on a picture (standard deviation, for all four scores), and the largest error of one score
(uniform), in steps of the 1..5 scale. Tuned so that three raters agree as in Rich Human Feedback: perfectly on about
25% of the scores, within one step on about 85%."""
SEEN, FALSE_POINT = 0.85, 0.04
"""How often a rater marks a region that is wrong, and how often one that is not."""
MARKED, FALSE_WORD = 0.8, 0.015
"""How often a rater marks a word that is misaligned, and one that is not."""


def rate(truth: Truth, rng: random.Random, raters: int = 3) -> tuple[Rating, ...]:
    """What `raters` annotators say about a picture, each on their own."""
    return tuple(_rating(truth, rng) for _ in range(raters))


def _rating(truth: Truth, rng: random.Random) -> Rating:
    leniency = rng.gauss(0, LENIENCY)
    a, b, c, d = (_step(1 + (STEPS - 1) * q + leniency + rng.uniform(-NOISE, NOISE)) for q in truth.quality.values())
    return Rating(
        (a, b, c, d),
        _points([artifact.box for artifact in truth.picture.artifacts], rng),
        _points(truth.prompt.regions, rng),
        tuple(rng.random() < (MARKED if bad else FALSE_WORD) for bad in truth.prompt.misaligned),
    )


def _step(score: float) -> int:
    return min(STEPS, max(1, round(score)))


def _points(regions: Sequence[Box], rng: random.Random) -> tuple[Point, ...]:
    """A click or a few in each region that the rater notices, near its middle, more in a larger one."""
    points: list[Point] = []
    for x1, y1, x2, y2 in regions:
        if rng.random() < SEEN:
            for _ in range(1 + round(3 * ((x2 - x1) * (y2 - y1)) ** 0.5)):
                points.append((_near(x1, x2, rng), _near(y1, y2, rng)))
    if rng.random() < FALSE_POINT:
        points.append((_near(WHOLE[0], WHOLE[2], rng), _near(WHOLE[1], WHOLE[3], rng)))
    return tuple(points)


def _near(low: float, high: float, rng: random.Random) -> float:
    """A coordinate between `low` and `high`, the middle more often, with a hand that shakes: never off the picture."""
    shaken = rng.triangular(low, high) + rng.gauss(0, 0.015)
    return round(min(1.0, max(0.0, shaken)), 4)
