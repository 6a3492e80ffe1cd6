# pyright: strict
"""Charts as SVG, in the colours of their page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.report.chart import line_chart, nice_ticks
from cluster.report.curve import Line


@settings(deadline=None)  # the first chart loads matplotlib
@given(
    st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=80),
    st.booleans(),
    st.booleans(),
)
def test_every_curve_is_drawn_inside_its_frame(values: list[float], percent: bool, zero: bool) -> None:
    spread = [abs(value) / 3 for value in values]
    svg = ElementTree.fromstring(
        line_chart([Line("a & b", range(len(values)), values, 2, spread)], percent=percent, zero=zero)
    )
    width, height = (float(part) for part in svg.attrib["viewBox"].split()[2:])
    numbers = [float(x) for path in svg.iter("path") for x in re.findall(r"-?[\d.]+", path.attrib["d"])]
    assert all(0 <= x <= width for x in numbers[::2])
    assert all(0 <= y <= height for y in numbers[1::2])


def test_a_run_of_ten_thousand_updates_makes_no_heavy_chart() -> None:
    values = np.random.default_rng(0).random(10_000).tolist()
    assert len(line_chart([Line("reward", range(1, 10_001), values, 1, values)])) < 40_000


def test_nothing_to_draw_is_no_chart() -> None:
    assert line_chart([Line("empty", [], [])]) == ""


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ticks_reach_around_what_they_measure(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span)
    slack = 1e-6 * max(abs(low), span, 1e-12)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack
    assert 2 <= len(ticks) <= 8


def test_a_chart_takes_font_and_colours_from_its_page() -> None:
    lines = [Line("a", range(20), [0.125 * i for i in range(20)], 1), Line("b", [3], [2.5], 6)]
    svg = line_chart(lines, smooth=False)
    assert set(re.findall(r"(?:stroke|fill): ([^;\"]+)", svg)) == {
        "none",
        *(f"var(--{v})" for v in ("c1", "c6", "rule", "soft")),
    }
    assert not re.findall(r"url\(|http|font|id=", svg)
    texts = [text.text for text in ElementTree.fromstring(svg).iter("text")]
    assert texts == ["0", "5", "10", "15", "0", "1", "2", "3"]


def test_ticks_of_a_chart_keep_all_their_digits() -> None:
    svg = ElementTree.fromstring(line_chart([Line("a", [1, 2], [0.0, 1.0])]))
    assert [text.text for text in svg.iter("text")] == ["1", "2", "0", "0.25", "0.5", "0.75", "1"]
