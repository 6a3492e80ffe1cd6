"""The table of all verdicts of a run, as parquet files that are complete at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rewards.atomic_write import PART, atomic_write
from rewards.errors import first_line

FOLDER = "audit"
DAMAGED = ".damaged"
"""What could not be read when a run was resumed ends in this."""

_FIELDS: dict[str, Any] = {
    "image": pa.string(),  # SHA-256 of the pixels (uint8 [h, w, 3]), in hex
    "prompt": pa.string(),
    "judge": pa.string(),
    "judge_version": pa.string(),
    "value": pa.float64(),  # null unless status is ok
    "scores": pa.map_(pa.string(), pa.float64()),  # the judge's sub-scores by name, as (name, number) pairs
    "text": pa.string(),
    "status": pa.string(),  # ok, abstain, error
    "latency_s": pa.float32(),
    "policy_version": pa.int32(),  # of the policy that drew the picture
    "update": pa.int32(),  # that the picture was drawn for; of an evaluation: the updates done before it
    "ticket": pa.int64(),  # null in an evaluation
    "sample": pa.int32(),  # counts the pictures of a ticket, or of an evaluation
    "reward": pa.float32(),  # null where the picture was not scored
    "disagreement": pa.float32(),  # of the train judges about the picture, see rewards/panel/disagreement.py
    "thumbnail": pa.string(),  # a file, relative to the folder of the table; null for most
}
SCHEMA: Any = pa.schema(list(_FIELDS.items()))


class VerdictTable:
    """One row per (picture, judge), in `FOLDER/verdicts-NNNNN.parquet` (zstd), at most `file_rows` rows a file.

    Files are written atomically: a reader finds complete files only, whatever kills the writer. The last file is
    rewritten with every append until it is full; an opened table begins a new one. `rewind` removes the rows past a
    restored update, because that part of the run is repeated. There must be one writer.
    """

    def __init__(self, folder: Path, file_rows: int = 50_000) -> None:
        self.folder, self._file_rows = folder, file_rows
        self._rows: Any = SCHEMA.empty_table()
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"*{PART}"):
            left.unlink()
        self._number = self._next_number()

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Adds rows with the keys of `SCHEMA`; they are on disk afterwards."""
        new: Any = pa.Table.from_pylist(list(rows), schema=SCHEMA)
        while new.num_rows:
            free = self._file_rows - self._rows.num_rows
            self._rows = pa.concat_tables([self._rows, new.slice(0, free)])
            new = new.slice(free)
            self._write(self._number, self._rows)
            if self._rows.num_rows >= self._file_rows:
                self._begin()

    def rewind(self, update: int) -> None:
        """Removes the rows of later updates than `update`."""
        for path in verdict_files(self.folder):
            table: Any = pq.read_table(path)
            kept = table.filter(pc.field("update") <= update)
            if not kept.num_rows:
                path.unlink()
            elif kept.num_rows < table.num_rows:
                self._write(_number(path), kept)
        self._begin()

    def _begin(self) -> None:
        self._rows, self._number = SCHEMA.empty_table(), self._next_number()

    def _next_number(self) -> int:
        return max(map(_number, verdict_files(self.folder)), default=0) + 1

    def _write(self, number: int, table: Any) -> None:
        with atomic_write(self.folder / f"verdicts-{number:05d}.parquet") as part:
            pq.write_table(table, part, compression="zstd", write_page_checksum=True)


def read_verdicts(run_dir: Path, damaged: list[str] | None = None) -> Any:
    """All rows of a run (a `pyarrow.Table` of `SCHEMA`), in the order they were written; none without an audit.

    A column that an older file lacks is null in its rows. A file that is damaged is left out, and named in a line of
    `damaged`."""
    tables: list[Any] = [SCHEMA.empty_table()]
    for path in verdict_files(run_dir / FOLDER):
        try:
            tables.append(_read(path))
        except ValueError as error:
            if damaged is not None:
                damaged.append(f"{error}; its verdicts are left out")
    return pa.concat_tables(tables)


def set_damaged_aside(run_dir: Path) -> list[str]:
    """Renames the files of a run's audit that cannot be read, for a run that goes on, and says which, a line each."""
    lines: list[str] = []
    for path in verdict_files(run_dir / FOLDER):
        try:
            _read(path)
        except ValueError as error:
            aside = path.rename(path.with_name(path.name + DAMAGED))
            lines.append(f"{error}; it is {aside.name} from now on, and its verdicts are left out")
    return lines


def _read(path: Path) -> Any:
    """Raises ValueError, in one line that names the file, if it is damaged."""
    try:
        table: Any = pq.read_table(path, schema=SCHEMA, page_checksum_verification=True)
        table.validate(full=True)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path}: is damaged ({first_line(error)})") from None
    return table


def verdict_files(folder: Path) -> list[Path]:
    """The files of the table in `folder`, oldest first."""
    return sorted((path for path in folder.glob("verdicts-*.parquet") if path.stem[9:].isdecimal()), key=_number)


def _number(path: Path) -> int:
    return int(path.stem.partition("-")[2])
