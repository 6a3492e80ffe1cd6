# pyright: strict
"""Curves, and the numbers that charts show of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewards.arrays import FloatArray

SMOOTH_FROM = 12  # points from which on a running mean is drawn over the raw values
COLOUR_COUNT = 6


@dataclass(frozen=True)
class Line:
    """One curve: `x` and `y` of equal length, a label, an optional band of ± `spread`, and its colour's number.

    Colours are numbered from 1 to `COLOUR_COUNT`; which they are, the page says.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 1
    spread: Sequence[float] | None = None

    @property
    def reach(self) -> tuple[float, float]:
        """The lowest and the highest number of the curve, its band included."""
        spread = self.spread if self.spread is not None else [0.0] * len(self.y)
        ends = [(y - s, y + s) for y, s in zip(self.y, spread, strict=True)]
        return min(low for low, _ in ends), max(high for _, high in ends)


def colour_of(index: int) -> int:
    """The colour of the curve with this index; after the last colour comes the first again."""
    return index % COLOUR_COUNT + 1


def running_mean(values: Sequence[float]) -> FloatArray:
    """Centred running mean over about a tenth of `values`; at the ends, over what there is of it."""
    y = np.asarray(values, dtype=np.float64)
    half = max(1, len(y) // 20)
    sums = np.concatenate([[0.0], np.cumsum(y)])
    i = np.arange(len(y))
    first, last = np.maximum(i - half, 0), np.minimum(i + half + 1, len(y))
    return (sums[last] - sums[first]) / (last - first)


def end_value(line: Line, *, smooth: bool = True) -> float:
    """Where the strong line of a chart ends."""
    return float(running_mean(line.y)[-1]) if smooth and len(line.y) >= SMOOTH_FROM else line.y[-1]


def read_number(value: float, percent: bool = False) -> str:
    """`value` as a person reads it: `0.25`, `3,840`, `1.5e-4`, or with `percent` `25 %`."""
    if percent:
        return f"{value * 100:.3g} %"
    if 0 < abs(value) < 1e-3:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:,.4g}"


def describe(lines: Sequence[Line], percent: bool) -> str:
    """The lines in words, for those who cannot see them: where each begins and ends."""
    ends = [
        f"{line.label} from {read_number(line.y[0], percent)} to {read_number(line.y[-1], percent)}" for line in lines
    ]
    return f"Over updates {lines[0].x[0]:g} to {lines[0].x[-1]:g}: {'; '.join(ends)}"
