"""The image folder: an image set as files, with their captions in `metadata.jsonl`."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from learners.judges.datasets.annotation import beneath
from learners.sources.data_set import DataSet, caption_problem, check_rows
from rewards.text import lines_of, parse_json
from rewards.user_input.files import PROMPTS_BYTES, read_user_text
from rewards.user_input.model_folder import check_no_pointer

METADATA = "metadata.jsonl"
NAME, CAPTION = "file_name", "text"
POINTER_BYTES = 1024
"""A Git LFS pointer is smaller; larger files need not be opened to know that they are none."""


class _Line(NamedTuple):
    number: int
    name: str
    caption: str


class ImageFolder(DataSet):
    """A folder of pictures as the "imagefolder" of Hugging Face's `datasets` has it: a `metadata.jsonl` with an object
    a line, `{"file_name": "a.png", "text": "a red cat"}`. Other keys, and pictures without a line, are not read. A
    name may lead into a folder below, and not out; links that stand in the folder are followed.
    """

    noun = "picture"

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, path / METADATA
        text = read_user_text(self._file, PROMPTS_BYTES)
        lines = [(number, line) for number, line in enumerate(lines_of(text), start=1) if line.strip()]
        if not lines:
            raise ValueError(f"{self._file}: holds no picture")
        self._lines: list[_Line] = []
        check_rows(self._problems(lines), path)
        self.prompts = [line.caption.strip() for line in self._lines]

    def where(self, row: int) -> str:
        return f"{self._file} line {self._lines[row].number}"

    def columns(self, row: int) -> Sequence[str]:
        return (NAME,)

    def encoded(self, row: int, column: str) -> bytes | Path:
        return self._path / self._lines[row].name

    @property
    def in_words(self) -> str:
        return f"{len(self):,} pictures in {self._path}"

    def _problems(self, lines: Sequence[tuple[int, str]]) -> Iterator[str]:
        """What is wrong with each line, but for those that are taken over."""
        for number, line in lines:
            where = f"{self._file} line {number}"
            try:
                record = parse_json(line, where)
            except ValueError as error:
                yield str(error)
                continue
            if not isinstance(record, dict):
                yield f'{where}: is no JSON object such as {{"{NAME}": "a.png", "{CAPTION}": "a red cat"}}'
                continue
            record = cast("dict[str, Any]", record)
            missing = [key for key in (NAME, CAPTION) if key not in record]
            if missing:
                yield f"{where}: has no {missing[0]!r}"
            elif problem := caption_problem(record[CAPTION]):
                yield f"{where} column {CAPTION!r}: {problem}"
            elif problem := self._picture_problem(record[NAME]):
                yield f"{where} column {NAME!r}: {problem}"
            else:
                self._lines.append(_Line(number, record[NAME], record[CAPTION]))

    def _picture_problem(self, name: object) -> str:
        if not isinstance(name, str) or not name:
            return "holds no name of a file"
        if (path := beneath(self._path, name)) is None:
            return f"{name!r} leads out of {self._path}"
        try:
            found = path.stat()
        except (OSError, ValueError):
            return f"there is no file {name!r} in {self._path}"
        if not stat.S_ISREG(found.st_mode):
            return f"{name!r} is no regular file"
        if found.st_size < POINTER_BYTES:
            try:
                check_no_pointer(path)
            except ValueError as error:
                return str(error)
        return "" if found.st_size else f"{name!r} is an empty file"
