"""The image table: an image set in parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from learners.sources.data_set import DataSet, caption_problem, check_rows
from learners.sources.parquet_table import Kind, ParquetTable

CAPTION, PICTURE = "text", "image"
COLUMNS: Mapping[str, Kind] = {CAPTION: "text", PICTURE: "picture"}


class ImageTable(DataSet):
    """The `files` at `path`: parquet with the columns `image` and `text`, the names that diffusers' scripts expect.
    Other columns are not read."""

    noun = "picture"

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self._path, self._table = path, ParquetTable(files, COLUMNS)
        captions = [*self._table.values(CAPTION)]
        check_rows(self._problems(captions), path)
        if not captions:
            raise ValueError(f"{path}: holds no picture")
        self.prompts = [caption.strip() for caption in captions]

    def where(self, row: int) -> str:
        return self._table.where(row)

    def columns(self, row: int) -> Sequence[str]:
        return (PICTURE,)

    def encoded(self, row: int, column: str) -> bytes | Path:
        return self._table.picture(row, column)

    @property
    def in_words(self) -> str:
        return f"{len(self):,} pictures in {self._path}"

    def _problems(self, captions: Sequence[object]) -> Iterator[str]:
        for row, caption in enumerate(captions):
            if problem := caption_problem(caption):
                yield f"{self._table.where(row)} column {CAPTION!r}: {problem}"
        for row in self._table.without_picture(PICTURE):
            yield f"{self._table.where(row)} column {PICTURE!r}: has no picture"
