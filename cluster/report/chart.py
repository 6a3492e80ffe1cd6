"""Line charts as SVG for a page, whose style sheet colours them; drawn by matplotlib."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from io import StringIO
from typing import Any

import numpy as np

from cluster.report.curve import COLOUR_COUNT, SMOOTH_FROM, Line, describe, read_number, running_mean

WIDTH, HEIGHT = 460, 216
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 14, 26
MOST_POINTS = 400  # drawn of one curve: more are not seen at this width and make the page heavy
TINY = 1e-300  # numbers below it count as 0: a fraction of them may be 0 itself
ROUND = [1, 2, 2.5, 5, 10]
"""what the steps between ticks are multiples of, times a power of ten"""
GRID, TICK = "#00000a", "#00000b"
PAGE_COLOURS = {f"#00000{number}": f"var(--c{number})" for number in range(1, COLOUR_COUNT + 1)}
PAGE_COLOURS |= {GRID: "var(--rule)", TICK: "var(--soft)"}
"""The colours that matplotlib draws in → the page's, so that one drawing serves light and dark."""


def line_chart(lines: Sequence[Line], *, percent: bool = False, zero: bool = False, smooth: bool = True) -> str:
    """The `lines` in one `<svg>` with shared axes, or an empty string when none of them has a point.

    `percent`: the axis shows 0..1 as per cent. `zero`: the axis includes 0. `smooth`: long curves are drawn faint,
    with a running mean over them.
    """
    lines = [line for line in lines if len(line.x)]
    if not lines:
        return ""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
    figure.patch.set_visible(False)
    frame = LEFT / WIDTH, BOTTOM / HEIGHT, (WIDTH - LEFT - RIGHT) / WIDTH, (HEIGHT - TOP - BOTTOM) / HEIGHT
    axes = figure.add_axes(frame)
    axes.patch.set_visible(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=8, labelsize=11, labelcolor=TICK)
    axes.grid(axis="y", color=GRID, linewidth=1)
    for line in lines:
        _draw(axes, line, smooth)
    lows, highs = zip(*(line.reach for line in lines), strict=True)
    ticks = nice_ticks(*((min(0.0, *lows), max(0.0, *highs)) if zero else (min(lows), max(highs))))
    axes.set_ylim(min(ticks[0], *lows), max(ticks[-1], *highs))
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: read_number(value, percent)))
    x_low, x_high = min(min(line.x) for line in lines), max(max(line.x) for line in lines)
    axes.set_xlim((x_low, x_high) if x_low < x_high else (x_low - 0.5, x_low + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=ROUND, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    file = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _for_page(file.getvalue(), describe(lines, percent))


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """About `count` round numbers from at most `low` to at least `high`."""
    from matplotlib.ticker import MaxNLocator

    largest = max(abs(low), abs(high))
    if high - low <= max(1e-9 * largest, TINY):  # a flat line
        low, high = (low - 0.1 * largest, high + 0.1 * largest) if largest > TINY else (0.0, 1.0)
    return list(MaxNLocator(count, steps=ROUND).tick_values(low, high))


def _draw(axes: Any, line: Line, smooth: bool) -> None:
    count = min(MOST_POINTS, len(line.x))
    shown = [round(k * (len(line.x) - 1) / max(1, count - 1)) for k in range(count)]
    x, y = np.asarray(line.x, np.float64), np.asarray(line.y, np.float64)
    style: dict[str, Any] = {"color": f"#00000{line.colour}", "clip_on": False, "solid_capstyle": "round"}
    if line.spread is not None:
        spread = np.asarray(line.spread, np.float64)[shown]
        around = np.concatenate([(y[shown] + spread), (y[shown] - spread)[::-1]])
        band = np.concatenate([x[shown], x[shown][::-1]])
        axes.fill(band, around, color=style["color"], alpha=0.13, linewidth=0, clip_on=False)
    if len(x) == 1:  # a line of no length with round ends is a dot
        axes.plot([x[0], x[0]], [y[0], y[0]], linewidth=6, **style)
        return
    if smooth and len(x) >= SMOOTH_FROM:
        axes.plot(x[shown], y[shown], linewidth=1, alpha=0.3, **style)
        y = running_mean(line.y)
    axes.plot(x[shown], y[shown], linewidth=2, **style)


def _for_page(svg: str, description: str) -> str:
    """matplotlib's file as an element of a page: its shapes and texts, in the page's font and colours."""
    body = svg[svg.index("<g ") : svg.rindex("</g>")]
    body = re.sub(r'</?g\b[^>]*>|<!--.*?-->| (clip-path|transform)="[^"]*"|font-[a-z]+: [^;"]*; ', "", body)
    # A tenth of a pixel is enough.
    body = re.sub(r' [dxy]="[^"]*"', lambda found: re.sub(r"(\.\d)\d+", r"\1", found[0]), " ".join(body.split()))
    body = re.sub(r"#00000[1-6ab]", lambda found: PAGE_COLOURS[found[0]], body)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">{body}</svg>'
