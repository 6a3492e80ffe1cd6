"""The pair set: two pictures of a caption a row, and which of them people like better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from learners.sources.data_set import DataSet, caption_problem, check_rows
from learners.sources.parquet_table import Kind, ParquetTable, parquet_files

CAPTION, LABEL, PICTURES = "caption", "label_0", ("jpg_0", "jpg_1")
COLUMNS: Mapping[str, Kind] = {CAPTION: "text", LABEL: "number", PICTURES[0]: "picture", PICTURES[1]: "picture"}
TIE = 0.5


class PairSet(DataSet):
    """Parquet files with the columns of Pick-a-Pic (arXiv 2305.01569), as Diffusion-DPO (arXiv 2311.12908) reads them:

        caption       the prompt
        jpg_0, jpg_1  two pictures of it, encoded
        label_0       1: jpg_0 is better; 0: jpg_1 is; 0.5: neither, and the row is left out

    A row's pictures are the better one and the worse one. Other columns are not read.
    """

    noun = "pair"

    def __init__(self, path: Path) -> None:
        files = parquet_files(path)
        if not files:
            raise ValueError(f"{path}: there is no parquet file; give a file, a folder, or a pattern such as train-*")
        self._path, self._table = path, ParquetTable(files, COLUMNS)
        captions = [*self._table.values(CAPTION)]
        labels = [*self._table.values(LABEL)]
        check_rows(self._problems(captions, labels), path)
        self._rows = [row for row, label in enumerate(labels) if label != TIE]
        self._ties = len(labels) - len(self._rows)
        if not self._rows:
            raise ValueError(f"{path}: holds no pair" + (f"; all {self._ties:,} rows are ties" if self._ties else ""))
        self._first_wins = [labels[row] == 1 for row in self._rows]
        self.prompts = [captions[row].strip() for row in self._rows]

    def where(self, row: int) -> str:
        return self._table.where(self._rows[row])

    def columns(self, row: int) -> Sequence[str]:
        return PICTURES if self._first_wins[row] else PICTURES[::-1]

    def encoded(self, row: int, column: str) -> bytes | Path:
        return self._table.picture(self._rows[row], column)

    @property
    def in_words(self) -> str:
        ties = f" ({self._ties:,} more are ties, and left out)" if self._ties else ""
        return f"{len(self):,} pairs in {self._path}{ties}"

    def _problems(self, captions: Sequence[object], labels: Sequence[object]) -> Iterator[str]:
        for row, (caption, label) in enumerate(zip(captions, labels, strict=True)):
            if problem := caption_problem(caption):
                yield f"{self._table.where(row)} column {CAPTION!r}: {problem}"
            elif label not in (0, 1, TIE):
                yield (
                    f"{self._table.where(row)} column {LABEL!r}: is {'empty' if label is None else label}; 1 says that "
                    f"{PICTURES[0]} is better, 0 that {PICTURES[1]} is, {TIE} that neither is"
                )
        for column in PICTURES:
            for row in self._table.without_picture(column):
                yield f"{self._table.where(row)} column {column!r}: has no picture"
