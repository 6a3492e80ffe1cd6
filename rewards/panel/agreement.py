"""Agreement of a judge with people: correlation of its values and their ratings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.stats import rankdata  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from rewards.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Agreement:
    """Correlation of a judge's values with people's ratings of the same pictures.

    plcc      Pearson's linear correlation coefficient, -1..1
    srcc      Spearman's, the same of ranks, in which ties share their mean rank
    pictures  how many have both a value and a rating; only they count

    Both are NaN for fewer than two pictures, and where all values, or all ratings, are equal. The papers report both:
    SRCC says whether the order is right, which is what a reward needs, PLCC whether the distances are, too.
    """

    plcc: float
    srcc: float
    pictures: int

    @classmethod
    def of(cls, values: Sequence[float | None], ratings: Sequence[float | None]) -> Self:
        """`n` values and `n` ratings, None or NaN where there is none."""
        both = np.array([values, ratings], np.float64)
        both = both[:, np.isfinite(both).all(axis=0)]
        ranks: Any = rankdata(both, axis=1)
        return cls(_pearson(both), _pearson(ranks), both.shape[1])


def _pearson(pairs: FloatArray) -> float:
    """Of `[2, n]`."""
    if pairs.shape[1] < 2 or (pairs == pairs[:, :1]).all(axis=1).any():
        return math.nan
    x, y = pairs - pairs.mean(axis=1, keepdims=True)
    return float(np.clip(x @ y / math.sqrt((x @ x) * (y @ y)), -1, 1))
