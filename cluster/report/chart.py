# pyright: strict
"""Line charts as SVG text, coloured by the page they stand in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 460, 216
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 14, 26
MOST_POINTS = 400  # drawn of one curve: more are not seen at this width and make the page heavy
TINY = 1e-300  # numbers below it count as 0: a fraction of them may be 0 itself
SMOOTH_FROM = 12  # points from which on a running mean is drawn over the raw values

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One curve: `x` and `y` of equal length, a label, an optional band of ± `spread`, and its colour's number.

    The colour is the CSS variable `--c1` ... `--c6` of the page, so that one drawing serves light and dark.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 1
    spread: Sequence[float] | None = None


def chart(lines: Sequence[Line], *, percent: bool = False, zero: bool = False, smooth: bool = True) -> str:
    """The `lines` in one drawing with shared axes, or an empty string when none of them has a point.

    `percent`: the axis reads 0..1 as per cent. `zero`: the axis shows 0. `smooth`: long curves are drawn faint,
    with a running mean over them.
    """
    lines = [line for line in lines if len(line.x)]
    if not lines:
        return ""
    x_low, x_high = min(min(line.x) for line in lines), max(max(line.x) for line in lines)
    lows, highs = zip(*(_reach(line) for line in lines), strict=True)
    ticks = nice_ticks(*((min(0.0, *lows), max(0.0, *highs)) if zero else (min(lows), max(highs))))
    y_low, y_high = min(ticks[0], *lows), max(ticks[-1], *highs)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low) if x_high > x_low else 0.5
        up = (y - y_low) / (y_high - y_low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_describe(lines, percent))}">']
    for tick in ticks:
        _, y = at(x_low, tick)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 8}" y="{y + 3.5:.1f}" text-anchor="end">{read_number(tick, percent)}</text>'
        )
    for tick in _x_ticks(x_low, x_high):
        x, _ = at(tick, y_low)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{tick:,}</text>')
    for line in lines:
        stroke, fill = f'stroke="var(--c{line.colour})"', f'fill="var(--c{line.colour})"'
        count = min(MOST_POINTS, len(line.x))
        shown = [round(k * (len(line.x) - 1) / max(1, count - 1)) for k in range(count)]
        points = [at(line.x[i], line.y[i]) for i in shown]
        if line.spread is not None:
            above = [at(line.x[i], line.y[i] + line.spread[i]) for i in shown]
            below = [at(line.x[i], line.y[i] - line.spread[i]) for i in shown]
            parts.append(f'<path class="band" {fill} d="{_path([*above, *below[::-1]])}Z"/>')
        if len(points) == 1:
            parts.append(f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3" {fill}/>')
            continue
        if smooth and len(points) >= SMOOTH_FROM:
            parts.append(f'<path class="raw" {stroke} d="{_path(points)}"/>')
            mean = running_mean(line.y)
            points = [at(line.x[i], float(mean[i])) for i in shown]
        parts.append(f'<path class="curve" {stroke} d="{_path(points)}"/>')
    return "".join([*parts, "</svg>"])


def running_mean(values: Sequence[float]) -> Floats:
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


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """About `count` round numbers from at most `low` to at least `high`."""
    largest = max(abs(low), abs(high))
    if high - low <= max(1e-9 * largest, TINY):  # a flat line
        pad = 0.1 * largest if largest > TINY else 1.0
        low, high = low - pad, high + pad
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, last + 1)]


def _reach(line: Line) -> tuple[float, float]:
    spread = line.spread if line.spread is not None else [0.0] * len(line.y)
    return (
        min(y - s for y, s in zip(line.y, spread, strict=True)),
        max(y + s for y, s in zip(line.y, spread, strict=True)),
    )


def _x_ticks(low: float, high: float) -> list[int]:
    return [int(tick) for tick in nice_ticks(low, high, 5) if low <= tick <= high and tick == int(tick)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _describe(lines: Sequence[Line], percent: bool) -> str:
    ends = [
        f"{line.label} from {read_number(line.y[0], percent)} to {read_number(line.y[-1], percent)}" for line in lines
    ]
    return f"Over updates {lines[0].x[0]:g} to {lines[0].x[-1]:g}: {'; '.join(ends)}"
