"""Statistics of an update on the forward process: the numbers of its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float, Int
from torch import Tensor

from rewards.arrays import Float32Array, IntArray


def example_statistics(weights: Float[Float32Array, " n"], lag: Int[IntArray, " n"]) -> dict[str, float]:
    """Over all workers' examples: the share that counts, and the lag of those that do."""
    counts = weights > 0
    if not counts.any():
        return {"trained_share": 0.0}
    return {
        "trained_share": float(counts.mean()),
        "lag/mean": float(lag[counts].mean()),
        "lag/max": float(lag[counts].max()),
    }


class PairMeans:
    """Means over the (example, draw) pairs of one update, weighted as the pairs are; sums stay on their device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}

    def add(self, columns: Mapping[str, Float[Tensor, " b"]], weight: Float[Tensor, " b"]) -> None:
        """Adds the b pairs of one micro-batch."""
        exact = weight.double()
        for name, column in columns.items():
            self._sums[name] = self._sums.get(name, 0.0) + (exact * column.detach().double()).sum()
        self._sums[""] = self._sums.get("", 0.0) + exact.sum()

    def sums(self) -> dict[str, float]:
        """The weighted sum of every column, and that of the weights as ""."""
        return {name: float(value) for name, value in self._sums.items()}

    @staticmethod
    def over(workers: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """The means over all workers' `sums()`."""
        total = sum(sums[""] for sums in workers)
        return {name: sum(sums[name] for sums in workers) / total for name in workers[0] if name}
