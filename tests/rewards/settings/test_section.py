"""What every section of the YAML holds its values to, whatever the section."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from rewards.settings.section import LARGEST, Anything, AtMost, Section, UserFile


class Inner(Section):
    pair: tuple[float, float] = (0.0, 1.0)


class Example(Section):
    count: Annotated[int, Field(ge=1)] = 1
    few: Annotated[int, AtMost(64, "there are no more")] = 1
    number: float | None = None
    open: bool = False
    shares: dict[str, float] = {}  # noqa: RUF012
    inner: Inner = Inner()
    words: tuple[str, ...] = ()
    file: UserFile = Path("file")
    anything: Anything = None


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"number": 1}, {"number": 1.0}),
        ({"number": -3e8}, {"number": -3e8}),
        ({"words": ["a", "b"]}, {"words": ("a", "b")}),
        ({"inner": {"pair": [1, 2.5]}}, {"inner": Inner(pair=(1.0, 2.5))}),
        ({"file": "~/x"}, {"file": Path.home() / "x"}),
        ({"anything": {"a": [1, "b", None]}}, {"anything": {"a": [1, "b", None]}}),
    ],
)
def test_what_people_write_is_read(value: dict[str, Any], read: dict[str, Any]) -> None:
    example = Example.model_validate(value)
    assert {key: getattr(example, key) for key in read} == read


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"count": True}, "valid integer"),
        ({"count": "2"}, "valid integer"),
        ({"count": 2.0}, "valid integer"),
        ({"count": 10**30}, str(LARGEST)),
        ({"few": 65}, r"at most 64 \(there are no more\), not 65"),
        ({"number": True}, "valid number"),
        ({"number": "1"}, "valid number"),
        ({"number": float("inf")}, "finite"),
        ({"number": float("nan")}, "finite"),
        ({"number": 1e12}, str(LARGEST)),
        ({"number": -1e12}, str(-LARGEST)),
        ({"number": 10**400}, "valid number"),
        ({"open": 1}, "valid boolean"),
        ({"open": "yes"}, "valid boolean"),
        ({"shares": {"a": float("inf")}}, "finite"),
        ({"shares": {"a": True}}, "valid number"),
        ({"inner": {"pair": [0, True]}}, "valid number"),
        ({"words": [1]}, "valid string"),
        ({"words": [b"a"]}, "valid string"),
        ({"anything": [1, {"a": float("nan")}]}, "finite"),
    ],
)
def test_what_is_no_value_of_its_kind_is_refused(value: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Example.model_validate(value)
