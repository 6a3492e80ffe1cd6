# pyright: basic
"""Parquet files as one table: its texts and numbers at once, its pictures row by row."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as t

from learners.judges.datasets.annotation import file_beneath
from rewards.errors import first_line
from rewards.user_input.files import check_regular
from rewards.user_input.model_folder import check_no_pointer

Kind = Literal["text", "number", "picture"]
KINDS: Mapping[Kind, str] = {
    "text": "text",
    "number": "numbers",
    "picture": "encoded pictures (binary, or a struct with `bytes`)",
}
KEPT_BYTES = 256 * 2**20
"""of row groups with pictures that are kept for the next batch; the one in use is kept whatever its size"""


class _RowGroup(NamedTuple):
    """A row group, and its first row in the table and in its file."""

    file: Path
    number: int
    first: int
    first_in_file: int


class ParquetTable:
    """The rows of parquet files, one file after another, with the `columns` (name → what it holds) that are needed.

    A picture is a cell of encoded bytes, or a struct `{bytes, path}` as Hugging Face's `datasets` writes it; where it
    has no bytes, the path leads to a file in the folder of the parquet file. Parquet is read a row group at a time:
    rows that are asked for in order cost one reading of each. Raises ValueError, in one line that names the file, for
    one that cannot be read or lacks a column.
    """

    def __init__(self, files: Sequence[Path], columns: Mapping[str, Kind]) -> None:
        self._columns = columns
        self._groups: list[_RowGroup] = []
        self._kept: OrderedDict[_RowGroup, Any] = OrderedDict()
        self._open: tuple[Path, Any] | None = None
        self._lock = Lock()
        rows = 0
        for file in files:
            metadata = self._parquet(file).metadata
            first = rows
            for number in range(metadata.num_row_groups):
                self._groups.append(_RowGroup(file, number, rows, rows - first))
                rows += metadata.row_group(number).num_rows
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    def where(self, row: int) -> str:
        """The file of a row, and its number there, which begins at 0 as for pandas and `datasets`."""
        group = self._group(row)
        return f"{group.file} row {row - group.first + group.first_in_file}"

    def values(self, column: str) -> Iterator[Any]:
        """The cells of a column of texts or numbers; None where there is none. Text that is not UTF-8 is None, too."""
        for group in self._groups:
            table: Any = self._parquet(group.file).read_row_group(group.number, columns=[column])
            try:
                yield from table.column(column).to_pylist()
            except UnicodeDecodeError:
                for cell in table.column(column):
                    try:
                        yield cell.as_py()
                    except UnicodeDecodeError:
                        yield None

    def without_picture(self, column: str) -> Iterator[int]:
        """The rows that have no cell in a column of pictures, as far as the files' statistics tell."""
        for group in self._groups:
            statistics: Any = _statistics(self._parquet(group.file).metadata.row_group(group.number), column)
            if statistics is not None and statistics.has_null_count and statistics.null_count:
                for i, cell in enumerate(self._pictures(group).column(column)):
                    if _bytes_or_path(cell.as_py()) is None:
                        yield group.first + i

    def picture(self, row: int, column: str) -> bytes | Path:
        """A picture, encoded or in a file. Raises ValueError, which says what is wrong, if there is none."""
        group = self._group(row)
        try:
            with self._lock:
                cell: object = self._pictures(group).column(column)[row - group.first].as_py()
        except (OSError, ValueError) as error:
            raise ValueError(f"cannot be read ({first_line(error)})") from None
        found = _bytes_or_path(cell)
        if found is None:
            raise ValueError("has no picture")
        if isinstance(found, bytes):
            return found
        if (file := file_beneath(group.file.parent, found)) is None:
            raise ValueError(f"has no bytes, and {found!r} is no file in {group.file.parent}")
        return file

    def _parquet(self, file: Path) -> Any:
        """The open parquet file; one at a time."""
        if self._open is None or self._open[0] != file:
            self._open = file, _opened(file, self._columns)
        return self._open[1]

    def _group(self, row: int) -> _RowGroup:
        return self._groups[bisect_right(self._groups, row, key=lambda group: group.first) - 1]

    def _pictures(self, group: _RowGroup) -> Any:
        """The columns of pictures of a row group."""
        if group not in self._kept:
            names = [name for name, kind in self._columns.items() if kind == "picture"]
            self._kept[group] = self._parquet(group.file).read_row_group(group.number, columns=names)
        self._kept.move_to_end(group)
        while len(self._kept) > 1 and sum(int(table.nbytes) for table in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return self._kept[group]


def parquet_files(path: Path) -> list[Path]:
    """The parquet files that `path` names: a file, the files in a folder and below it, or those of a pattern such as
    `data/train-*.parquet`; in the order of their names."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*.parquet") if not file.name.startswith("."))
    if any(sign in path.name for sign in "*?["):
        return sorted(path.parent.glob(path.name))
    return [path] if os.path.lexists(path) else []


def _opened(file: Path, columns: Mapping[str, Kind]) -> Any:
    """The open parquet file, which has the `columns`."""
    check_regular(file)
    check_no_pointer(file)
    try:
        parquet: Any = pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{file}: is torn or no parquet file ({first_line(error)}); is the download whole?") from None
    schema = parquet.schema_arrow
    for name, kind in columns.items():
        if name not in schema.names:
            has = ", ".join(schema.names[:20]) or "none"
            raise ValueError(f"{file}: has no column {name!r}; its columns are {has}")
        if not _holds(schema.field(name).type, kind):
            raise ValueError(f"{file}: the column {name!r} holds {schema.field(name).type}; it must hold {KINDS[kind]}")
    return parquet


def _holds(type_: Any, kind: Kind) -> bool:
    if kind == "text":
        return bool(t.is_string(type_) or t.is_large_string(type_))
    if kind == "number":
        return bool(t.is_integer(type_) or t.is_floating(type_))
    if t.is_struct(type_):
        fields = {type_.field(i).name: type_.field(i).type for i in range(type_.num_fields)}
        # A column in which no row has bytes may have no type of its own.
        return "bytes" in fields and (t.is_null(fields["bytes"]) or _holds(fields["bytes"], "picture"))
    return bool(t.is_binary(type_) or t.is_large_binary(type_))


def _statistics(group: Any, column: str) -> Any:
    for i in range(group.num_columns):
        if group.column(i).path_in_schema in (column, f"{column}.bytes"):
            return group.column(i).statistics
    return None


def _bytes_or_path(cell: Any) -> bytes | str | None:
    if isinstance(cell, dict):
        return cell.get("path") if cell.get("bytes") is None else cell["bytes"]
    return cell
