# pyright: strict
"""The rows of `metrics.jsonl`, read with doubt: what is no row of a run is named and left out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

Row = dict[str, Any]


class _Checked(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    kind: str
    update: int = Field(ge=0, le=10**12)
    time: float


class _Update(_Checked):
    __pydantic_extra__: dict[str, float | None] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]


class _Details(BaseModel):
    model_config = ConfigDict(strict=True)

    kind: Literal["share", "mean"]
    n: NonNegativeInt
    by_prompt: list[float | None]


class _Evaluation(_Checked):
    when: str
    figures: dict[str, _Details] = Field(default_factory=dict[str, _Details])


KINDS: dict[object, type[_Checked]] = {"update": _Update, "evaluation": _Evaluation}


def read_rows(path: Path) -> tuple[list[Row], list[str]]:
    """The rows in the file at `path`, none if it is not there, and a line for each that cannot be one.

    The half row of a process that is writing, or was killed while it wrote, is not counted as damage where it ends the
    file. Raises OSError for a file that cannot be read.
    """
    if not path.exists():
        return [], []
    if not path.is_file():
        return [], [f"{path}: is no regular file"]
    text = path.read_text(encoding="utf-8", errors="replace")
    rows: list[Row] = []
    damaged: list[str] = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                rows.append(_row(line))
            except ValueError as error:
                if number < len(lines):
                    damaged.append(f"{path} line {number}: {error}; the row is left out")
    return rows, damaged


def _row(line: str) -> Row:
    try:
        row: object = json.loads(line, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if not isinstance(row, dict):
        raise ValueError("is no row of metrics")
    values = cast("Row", row)
    try:
        KINDS.get(values.get("kind"), _Checked).model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise ValueError(f"{key}: {problem['msg'][:1].lower()}{problem['msg'][1:]}") from None
    return values


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)
