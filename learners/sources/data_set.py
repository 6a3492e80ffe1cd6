"""A data set: prompts with pictures, row by row, from somebody's files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import ClassVar

from actors.prompt_files import LONGEST
from rewards.arrays import ImageArray
from rewards.pictures.reader import read_picture
from rewards.user_input.plain_values import unreadable

SHOWN = 5
"""Broken rows that are named; the others are counted."""


class DataSet(ABC):
    """Rows of a prompt and one picture or several. It is opened by its constructor, which raises ValueError, a line for
    each broken row, for what can be seen without decoding pictures. Rows are cheapest to read in ascending order.

    prompts  of the rows, in their order
    noun     what a row is called: a picture, a pair
    """

    noun: ClassVar[str]
    prompts: Sequence[str]

    def __len__(self) -> int:
        return len(self.prompts)

    @abstractmethod
    def where(self, row: int) -> str:
        """The file of a row, and its place there."""

    @abstractmethod
    def columns(self, row: int) -> Sequence[str]:
        """The columns of a row's pictures, in the order in which they are wanted."""

    @abstractmethod
    def encoded(self, row: int, column: str) -> bytes | Path:
        """A picture of a row, encoded or in a file; raises ValueError, which says what is wrong."""

    @property
    @abstractmethod
    def in_words(self) -> str:
        """What it holds, such as "1,000 pictures in cats/"."""

    def pictures(self, row: int) -> list[ImageArray]:
        """The decoded pictures of a row; raises ValueError, in one line that names file, row and column."""
        return [self._picture(row, column) for column in self.columns(row)]

    def _picture(self, row: int, column: str) -> ImageArray:
        try:
            return read_picture(self.encoded(row, column))
        except ValueError as error:
            raise ValueError(f"{self.where(row)} column {column!r}: {error}") from None


def check_rows(problems: Iterable[str], path: Path) -> None:
    """Raises ValueError with the first of the `problems` of rows, a line each, and how many there are."""
    lines = iter(problems)
    first = [*islice(lines, SHOWN)]
    more = sum(1 for _ in lines)
    if first:
        raise ValueError("\n".join([*first, *([f"{path}: {more:,} more rows are broken"] if more else [])]))


def caption_problem(caption: object) -> str:
    """What is wrong with a caption; empty if nothing is."""
    if not isinstance(caption, str):
        return "holds no text"
    if not caption.strip():
        return "is empty"
    if len(caption) > LONGEST:
        return f"has {len(caption):,} characters; at most {LONGEST:,}"
    return unreadable(caption)
