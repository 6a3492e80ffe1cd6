"""Simulated annotators: they rate a picture from its ground truth, with noise, so that they disagree."""

from __future__ import annotations

import random
from collections.abc import Sequence

from learners.judges.datasets.ratings import STEPS, Point, Rating
from menagerie.labels.truth import Truth
from rewards.boxes import Box

LENIENCY, NOISE = 0.2, 1.0
"""In steps of the 1..5 scale: the standard deviation of a rater's leniency, which is common to the four scores of a
picture, and the largest error of a single score (uniform). Tuned so that three raters agree as in Rich Human Feedback:
perfectly on about 25% of the scores, within one step on about 85%."""
SEEN, FALSE_POINT = 0.85, 0.04
"""The probability that a rater marks a region that is wrong, and that a rater marks a random point."""
SPREAD, SHAKE = 0.08, 0.015
"""The standard deviation of a click around the centre of its region: in sides of the region, plus in fractions of the
picture. Tuned so that raters agree on positions as well as the paper's must, whose model reaches CC 0.556, SIM 0.409
and KLD 1.652 against three of them; here a perfect model would reach about 0.72, 0.55 and 1.40."""
MARKED, FALSE_WORD = 0.8, 0.015
"""The probabilities that a rater marks a misaligned word, and any other word."""


def rate(truth: Truth, rng: random.Random, raters: int = 3) -> tuple[Rating, ...]:
    """Independent ratings of a picture by `raters` annotators."""
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
    """One to four clicks near the centre of each region that the rater notices, more in a larger one."""
    points: list[Point] = []
    for x1, y1, x2, y2 in regions:
        if rng.random() < SEEN:
            for _ in range(1 + round(3 * ((x2 - x1) * (y2 - y1)) ** 0.5)):
                points.append((_near(x1, x2, rng), _near(y1, y2, rng)))
    if rng.random() < FALSE_POINT:
        points.append((round(rng.random(), 4), round(rng.random(), 4)))
    return tuple(points)


def _near(low: float, high: float, rng: random.Random) -> float:
    """A coordinate near the middle of `low` and `high`, inside the picture."""
    clicked = rng.gauss((low + high) / 2, SPREAD * (high - low) + SHAKE)
    return round(min(1.0, max(0.0, clicked)), 4)
