# pyright: strict
"""Curves and the numbers of charts."""

from __future__ import annotations

import pytest

from cluster.report.curve import COLOUR_COUNT, Line, colour_of, end_value, read_number, running_mean


def test_a_running_mean_of_a_constant_is_that_constant() -> None:
    assert running_mean([3.0] * 50) == pytest.approx([3.0] * 50)


@pytest.mark.parametrize(
    ("value", "percent", "read"),
    [(0.25, False, "0.25"), (3840, False, "3,840"), (1.5e-4, False, "1.5e-4"), (0.3, True, "30 %"), (0, False, "0")],
)
def test_numbers_are_read_as_a_person_writes_them(value: float, percent: bool, read: str) -> None:
    assert read_number(value, percent) == read


def test_a_curve_reaches_as_far_as_its_band() -> None:
    assert Line("a", [1, 2], [0.5, 0.75], spread=[0.25, 0.125]).reach == (0.25, 0.875)
    assert Line("a", [1, 2], [0.5, 0.75]).reach == (0.5, 0.75)


def test_a_long_curve_ends_where_its_running_mean_does() -> None:
    rising = list(range(20))
    assert end_value(Line("a", rising, rising)) == pytest.approx(18.5)
    assert end_value(Line("a", rising, rising), smooth=False) == 19


def test_colours_come_again_when_all_are_used() -> None:
    assert [colour_of(i) for i in range(8)] == [*range(1, COLOUR_COUNT + 1), 1, 2]
