"""Normalising a judge's values `[..., k]`, groups along the last axis, NaN where the judge gave no number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from rewards.arrays import FloatArray
from rewards.settings.panel import NormaliseConfig

# Keeps the z-score of values that hardly differ finite. The same constant as DDPO's, and as our advantages'.
EPSILON = 1e-6
# Verdicts are float32: values that differ by less, relatively, differ by the rounding of their mean alone.
ROUNDING = 1e-12


class Normaliser:
    """Normalises and clips one judge's values by its `normalise` and `clip`. NaN stays NaN, and a number stays finite.

    Invariant: for `running`, the state is a function of the values in the order of the calls; to get the same numbers
    again, call it in the order of the groups' indices in the run, never of their arrival.
    """

    def __init__(self, config: NormaliseConfig, clip: tuple[float, float] | None = None) -> None:
        self.config = config
        self._clip = clip
        self._moments = Moments(config.memory)

    def __call__(self, values: Float[FloatArray, "*groups k"]) -> Float[FloatArray, "*groups k"]:
        """The normalised values of groups of k; `running` remembers them first, so that they count."""
        match self.config.kind:
            case "none":
                made = values
            case "affine":
                made = self.config.scale * values + self.config.offset
            case "running":
                self._moments.add(values[np.isfinite(values)])
                made = z_score(values, self._moments.mean, self._moments.variance**0.5)
            case "group":
                made = group_z_score(values)
            case "rank":
                made = group_rank(values)
        return made if self._clip is None else np.clip(made, *self._clip)

    def state(self) -> dict[str, float]:
        """Everything that `restore` needs, as JSON types."""
        return self._moments.state()

    def restore(self, state: Mapping[str, float]) -> None:
        """Continues from a `state()`."""
        self._moments.restore(state)


class Moments:
    """Mean and variance of a stream of numbers, merged batch by batch (Chan, Golub and LeVeque 1979).

    From `memory` numbers on, the past weighs as much as `memory` numbers, so that older ones fade exponentially.
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.count, self.mean, self.variance = 0.0, 0.0, 0.0

    def add(self, values: Float[FloatArray, " n"]) -> None:
        """Adds `n` numbers of the stream."""
        if not len(values):
            return
        past, n = min(self.count, float(self.memory)), float(len(values))
        self.count = past + n
        share = n / self.count
        delta = float(values.mean()) - self.mean
        self.variance = (1 - share) * (self.variance + share * delta**2) + share * float(values.var())
        self.mean += share * delta

    def state(self) -> dict[str, float]:
        """Everything that `restore` needs, as JSON types."""
        return {"count": self.count, "mean": self.mean, "variance": self.variance}

    def restore(self, state: Mapping[str, float]) -> None:
        """Continues from a `state()`."""
        self.count, self.mean, self.variance = state["count"], state["mean"], state["variance"]


def z_score(
    values: Float[FloatArray, " *shape"],
    mean: Float[FloatArray, " *#shape"] | float,
    std: Float[FloatArray, " *#shape"] | float,
) -> Float[FloatArray, " *shape"]:
    """(value - mean) / deviation; 0 for values that are their mean up to rounding, whatever the deviation."""
    off = values - mean
    return np.where(np.abs(off) <= ROUNDING * np.abs(values), 0.0 * values, off / (np.asarray(std) + EPSILON))


def group_z_score(values: Float[FloatArray, "*groups k"]) -> Float[FloatArray, "*groups k"]:
    """Each number against the numbers of its group, the last axis; 0 in a group of equal numbers or of one."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    mean = np.where(known, values, 0.0).sum(axis=-1, keepdims=True) / count
    variance = (np.where(known, values - mean, 0.0) ** 2).sum(axis=-1, keepdims=True) / count
    return z_score(values, mean, np.sqrt(variance))


def group_rank(values: Float[FloatArray, "*groups k"]) -> Float[FloatArray, "*groups k"]:
    """The rank of each number in its group, the last axis, from 0 (least) to 1; equal numbers share their mean rank.

    A group of equal numbers, or of one, is at 1/2.
    """
    # NaN is neither less than a number nor equal to one, so it counts nowhere.
    one, other = values[..., :, None], values[..., None, :]
    less, equal = (other < one).sum(axis=-1), (other == one).sum(axis=-1)
    others = np.isfinite(values).sum(axis=-1, keepdims=True) - 1
    rank = np.where(others > 0, (less + (equal - 1) / 2) / np.maximum(others, 1), 0.5)
    return np.where(np.isfinite(values), rank, np.nan)
