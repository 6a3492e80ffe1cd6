"""People's ratings of pictures, from a table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from rewards.errors import shortened
from rewards.user_input.files import read_user_text


def read_ratings(table: Path, files: Sequence[Path]) -> list[float | None]:
    """The rating of each of `files` in a CSV with the columns `file` and `rating`; None for one that is not in it.

    `file` is a picture's path as the user gave it, or its name. Several rows of one file are several raters, whose mean
    counts; a row with an empty rating has none. Raises ValueError, naming the table and the line, for what is no such
    table, and when it rates none of `files`.
    """
    # With the ends of the lines: a quoted field may hold some.
    lines = csv.DictReader(io.StringIO(read_user_text(table), newline=""), strict=True)
    ratings: dict[str, list[float]] = {}
    try:
        _check_columns(lines.fieldnames or (), table)
        for row in lines:
            if text := (row["rating"] or "").strip():
                ratings.setdefault(row["file"] or "", []).append(_number(text, table, lines.line_num))
    except csv.Error as error:
        raise ValueError(f"{table}, after line {lines.line_num}: {error}; is a quotation mark left open?") from None
    rated = [ratings.get(str(file), ratings.get(file.name)) for file in files]
    if all(found is None for found in rated):
        raise ValueError(f"{table}: rates none of the pictures; its column `file` takes paths as given, or names")
    return [None if found is None else sum(found) / len(found) for found in rated]


def _check_columns(columns: Sequence[str], table: Path) -> None:
    for wrong, found in (("no", 0), ("more than one", 2)):
        if named := [name for name in ("file", "rating") if min(columns.count(name), 2) == found]:
            raise ValueError(
                f"{table}: has {wrong} column {f' and {wrong} column '.join(named)}; its first line names them"
            )


def _number(text: str, table: Path, line: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{table}, line {line}: rating {shortened(text)!r} is no number")
    return number
