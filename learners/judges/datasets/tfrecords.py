"""TFRecord files, written and read without TensorFlow; checksums are verified, so that a damaged file is refused."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tfrecord import TFRecordWriter, example_pb2  # pyright: ignore[reportMissingTypeStubs]

Value = bytes | float | int
Example = dict[str, Value]
"""Field → its only value."""

LFS = b"version https://git-lfs"
MESSAGE: Any = vars(example_pb2)["Example"]
"""`tf.train.Example`, a class that is generated at run time, so that type checkers don't know it."""


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """Writes examples as `tf.train.Example` records; text must be UTF-8 bytes."""
    writer = TFRecordWriter(str(path))
    try:
        for example in examples:
            writer.write({key: (value, _type(value)) for key, value in example.items()})
    finally:
        writer.close()


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of a file in order.

    Raises ValueError that names the file and the record (counted from 0) if it is no TFRecord file, cut short or
    damaged. The frames are parsed here, because the `tfrecord` package does not verify checksums.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(LFS)) == LFS:
            raise ValueError(f"{path} is a Git LFS pointer and not the data; run `git lfs pull` where it came from")
        file.seek(0)
        number = 0
        while head := file.read(12):
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else None
            if length is None or TFRecordWriter.masked_crc(head[:8]) != head[8:]:
                what = "is no TFRecord file" if number == 0 else f"is damaged or cut short after record {number - 1}"
                raise ValueError(f"{path} {what}; download or write it again")
            if file.tell() + length + 4 > size:
                raise ValueError(f"{path} is cut short in record {number}; download or write it again")
            data, checksum = file.read(length), file.read(4)
            if TFRecordWriter.masked_crc(data) != checksum:
                raise ValueError(f"{path}: record {number} is damaged (its checksum is wrong); download it again")
            try:
                yield _values(MESSAGE.FromString(data))
            except DecodeError:
                raise ValueError(f"{path}: record {number} is no tf.train.Example; is it a RichHF-18K file?") from None
            number += 1


def _values(example: Any) -> Example:
    found: Example = {}
    for key, feature in example.features.feature.items():
        values = getattr(feature, feature.WhichOneof("kind") or "bytes_list").value
        if len(values) == 1:
            found[key] = values[0]
    return found


def _type(value: Value) -> str:
    return "byte" if isinstance(value, bytes) else "float" if isinstance(value, float) else "int"
