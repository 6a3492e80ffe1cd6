"""Disagreement of judges about a picture, by ranks within its prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewards.arrays import FloatArray


def rank_disagreement(values: Mapping[str, Sequence[float] | FloatArray]) -> FloatArray:
    """Disagreement `[n]`, 0..1, about `n` pictures of one prompt, from judge → `n` values (NaN: no value).

    With `rank_j(i)` the rank of picture `i` among the `n` pictures by judge `j`'s value, ties sharing their mean rank,

        d_i = max_j r_ij - min_j r_ij,    r_ij = (rank_j(i) - 1) / (n - 1)

    so 1 means that one judge's best picture is another's worst. Ranks, because judges have scales of their own; within
    a prompt, because prompts differ in difficulty. A judge that lacks a value for a picture is left out for all of
    them. NaN everywhere when fewer than two judges are left, or fewer than two pictures.
    """
    # Here, because a report imports this module and would wait half a second for nothing.
    from scipy.stats import rankdata  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    known = [np.asarray(column, np.float64) for column in values.values()]
    known = [column for column in known if np.isfinite(column).all()]
    n = len(next(iter(values.values()), ()))
    if len(known) < 2 or n < 2:
        return np.full(n, np.nan)
    ranked: Any = rankdata(np.stack(known), axis=1)
    ranks: FloatArray = (ranked - 1) / (n - 1)
    return ranks.max(axis=0) - ranks.min(axis=0)
