# pyright: strict
"""Files of prompts, in three forms, chosen by the ending of the file's name.

.jsonl  a JSON object a line: its `prompt` is the prompt, its other keys are the metadata
.csv    a table whose first line names the columns: the column `prompt` is the prompt, the others are the metadata; a
        cell that is JSON (12, true, ["cat"]) is that value, an empty one is none, and any other is text
others  a prompt a line, optionally with a tab and a JSON object of metadata; a line that starts with # is a comment

Text is as `rewards.text` has it; empty lines are skipped.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from rewards.text import lines_of, parse_json
from rewards.user_input.files import PROMPTS_BYTES, read_user_text
from rewards.user_input.plain_values import unreadable

LONGEST = 100_000
"""characters of a prompt; text encoders read a few hundred"""


class PromptLine(NamedTuple):
    """A prompt, its metadata, and the line of the file on which it ends."""

    prompt: str
    metadata: dict[str, Any]
    line: int


def read_prompts(file: Path) -> list[PromptLine]:
    """The prompts of a file; raises ValueError, with file and line, for one that cannot be used."""
    if not file.exists():
        raise ValueError(f"prompts: there is no file {file}; write one prompt a line into it")
    try:
        text = read_user_text(file, PROMPTS_BYTES)
    except ValueError as error:
        raise ValueError(f"prompts: {error}") from None
    form = {".jsonl": _json_lines, ".csv": _table}.get(file.suffix.lower(), _plain_lines)
    prompts = [_checked(line, f"prompts: {file} line {line.line}") for line in form(text, f"prompts: {file}")]
    if not prompts:
        raise ValueError(f"prompts: {file} holds no prompt; write one prompt a line into it")
    return prompts


def _checked(line: PromptLine, where: str) -> PromptLine:
    if not line.prompt:
        raise ValueError(f"{where} has metadata but no prompt")
    if len(line.prompt) > LONGEST:
        raise ValueError(f"{where}: a prompt of {len(line.prompt):,} characters; at most {LONGEST:,}")
    if reason := unreadable(line.metadata) or unreadable(line.prompt):
        raise ValueError(f"{where}: {reason}")
    return line


def _plain_lines(text: str, where: str) -> Iterator[PromptLine]:
    for number, line in enumerate(lines_of(text), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            prompt, tab, rest = line.partition("\t")
            place = f"{where} line {number}: what follows the tab"
            yield PromptLine(prompt.strip(), _object(rest, place) if tab else {}, number)


def _json_lines(text: str, where: str) -> Iterator[PromptLine]:
    for number, line in enumerate(lines_of(text), start=1):
        if line.strip():
            metadata = _object(line, f"{where} line {number}: the line")
            prompt = metadata.pop("prompt", None)
            if not isinstance(prompt, str):
                raise ValueError(f'{where} line {number}: has no text `prompt`; write {{"prompt": "a red cat"}}')
            yield PromptLine(prompt.strip(), metadata, number)


def _table(text: str, where: str) -> Iterator[PromptLine]:
    # With the ends of the lines: a quoted cell may hold some.
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [*(rows.fieldnames or ())]
        if columns.count("prompt") != 1 or len(set(columns)) < len(columns):
            raise ValueError(f"{where} line 1: must name the columns, each once, one of them `prompt`")
        for row in rows:
            if None in row or None in row.values():
                raise ValueError(f"{where} line {rows.line_num}: does not have the {len(columns)} cells of line 1")
            metadata = {key: _cell(cell, f"{where} line {rows.line_num}: {key}") for key, cell in row.items() if cell}
            prompt = metadata.pop("prompt", "")
            yield PromptLine((row["prompt"] if prompt else "").strip(), metadata, rows.line_num)
    except csv.Error as error:
        raise ValueError(f"{where} after line {rows.line_num}: {error}; is a quotation mark left open?") from None


def _cell(cell: str, where: str) -> Any:
    try:
        return parse_json(cell, where)
    except ValueError:
        if cell.lstrip().startswith(("{", "[")):  # meant as JSON
            raise
        return cell


def _object(text: str, where: str) -> dict[str, Any]:
    value: object = parse_json(text, where)
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not a JSON object such as {json.dumps({'animal': 'cat'})}")
    return cast("dict[str, Any]", value)
