"""Docstrings that align names with what they mean, made into tables that a browser shows as such."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

ROW = re.compile(r"(\S+(?:,? \S+)*?) {2,}(\S.*)")


class AlignedDocstrings(griffe.Extension):
    """Rewrites paragraphs such as

    rank, world  this worker's rank and the number of workers
    grad_norm    norm of the last optimizer step's gradient before clipping
    """

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = with_tables(obj.docstring.value)


def with_tables(text: str) -> str:
    """`text` with every paragraph of aligned names as a Markdown table."""
    return "\n\n".join(_table(paragraph) for paragraph in re.split(r"\n\s*\n", text))


def _table(paragraph: str) -> str:
    lines = paragraph.splitlines()
    rows = list(_rows(lines))
    if len(lines) < 2 or not rows:
        return paragraph
    cells = (f"| {name} | {meaning} |".replace("\\", "\\\\") for name, meaning in rows)
    return "\n".join(["| | |", "|---|---|", *cells])


def _rows(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Name and meaning of each row; none at all if these lines are something else."""
    found: list[list[str]] = []
    for line in lines:
        row = ROW.fullmatch(line)
        if row is not None and not line.startswith(" "):
            found.append([f"`{row[1]}`", row[2]])
        elif found and line.startswith("    "):
            found[-1][1] += f" {line.strip()}"
        else:
            return
    yield from ((name, meaning.replace("|", "&#124;")) for name, meaning in found)
