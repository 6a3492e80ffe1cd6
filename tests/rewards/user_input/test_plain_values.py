# pyright: strict
"""The bounds of values that users write as YAML or JSON."""

from __future__ import annotations

from typing import Any

import pytest

from rewards.user_input.plain_values import DEEPEST, unreadable


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def laughs(levels: int) -> list[Any]:
    """Ten to the power of `levels` values, of which few are in memory."""
    value: list[Any] = ["ha"]
    for _ in range(levels):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    "value", [None, True, 3, -0.5, "an é", "", [1, [2, {"a": (3,)}]], nested(DEEPEST - 1), laughs(3), 10**3999]
)
def test_what_people_write_is_fine(value: Any) -> None:
    assert unreadable(value) == ""


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (nested(DEEPEST + 2), "is nested more than 100 levels deep"),
        (nested(100_000), "is nested more than 100 levels deep"),
        (circle(), "is nested more than 100 levels deep"),
        (laughs(9), "holds more than 1,000,000 values"),
        ({"a": [10**4001]}, "holds an integer of more than 4,000 digits"),
        ({"a": {"b": float("inf")}}, "holds inf, which is no finite number"),
        ({"\ud800": 1}, "holds half of a surrogate pair, which is no Unicode text"),
    ],
)
def test_what_nobody_could_work_with_says_why(value: Any, why: str) -> None:
    assert unreadable(value) == why


def test_infinity_may_be_left_to_others() -> None:
    assert unreadable([float("nan")], finite=False) == ""
