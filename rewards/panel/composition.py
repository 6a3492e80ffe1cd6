"""Composition: one number a picture of the train judges' values, by normalising, clipping and weighting."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from rewards.arrays import Array, FloatArray
from rewards.config import RewardsConfig
from rewards.panel.normalise import Normaliser


class Composition:
    """Steps 4 and 5 of the panel's order (see `Panel`), for the train judges in the order of the config.

    judges   their names
    weights  `[J]` their weights
    """

    def __init__(self, config: RewardsConfig) -> None:
        train = {name: judge for name, judge in config.judges.items() if judge.role == "train"}
        self.judges = tuple(train)
        self.weights: FloatArray = np.array([judge.weight for judge in train.values()], np.float64)
        self._normalisers = {name: Normaliser(judge.normalise, judge.clip) for name, judge in train.items()}

    @property
    def relative(self) -> bool:
        """Whether some judge's values are compared with others, so that `plain` is not all."""
        return any(normaliser.config.relative for normaliser in self._normalisers.values())

    def plain(self, values: Mapping[str, Array]) -> FloatArray:
        """Judge → values `[...]`, normalised to `[J, ...]` where that needs no other value (`none`, `affine`); a judge
        whose values are to be compared with others keeps its own scale."""
        kept = {name: np.asarray(values[name], np.float64) for name in self.judges}
        return np.stack(
            [kept[name] if n.config.relative else n(kept[name]) for name, n in self._normalisers.items()],
        )

    def normalised(self, values: Mapping[str, Array]) -> FloatArray:
        """Judge → values `[P, k]` of one update's groups in index order, normalised to `[J, P, k]`; called once an
        update, as `running` statistics take the values in."""
        return np.stack([n(np.asarray(values[name], np.float64)) for name, n in self._normalisers.items()])

    def state(self) -> dict[str, dict[str, float]]:
        """The statistics of the run, as JSON types."""
        return {name: n.state() for name, n in self._normalisers.items() if n.config.kind == "running"}

    def restore(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Continues from a `state()`; a judge that is not in it begins anew."""
        for name, moments in state.items():
            if name in self._normalisers:
                self._normalisers[name].restore(moments)


def weighted_sum(
    values: Float[FloatArray, " J *groups"], weights: Float[FloatArray, " J"]
) -> Float[FloatArray, " *groups"]:
    """Σ weight · value over J judges; NaN where no judge gave a number.

    Weights are renormalised over the judges that gave a value: their weighted mean stands in for the missing.
    """
    known = np.isfinite(values)
    each = weights.reshape(-1, *[1] * (values.ndim - 1))
    total: FloatArray = np.sum(each * np.where(known, values, 0.0), axis=0)
    present: FloatArray = np.sum(each * known, axis=0)
    total = np.where(known.all(0), total, total * weights.sum() / np.maximum(present, weights.min()))
    return np.where(known.any(0), total, np.nan)
