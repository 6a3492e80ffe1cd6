# pyright: strict
"""What cannot be written, in one line: which file, the system's own words, and what to do."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

FULL = {errno.ENOSPC, errno.EDQUOT}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class StorageError(OSError):
    """A file could not be written: a full disk, a folder that is not ours, a disk that fails.

    The message is all that a user needs. What was being written is not there, and what was there before still is.
    """

    @classmethod
    def of(cls, path: Path, error: OSError) -> Self:
        """`error`, met while `path` was being written; an error of this kind stays as it is."""
        if isinstance(error, cls):
            return error
        words = os.strerror(error.errno) if error.errno else str(error)
        return cls(f"{path}: cannot be written ({words}){_advice(path, error.errno)}")


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Context manager: what the system refuses while `path` is written becomes StorageError, which names it."""
    try:
        yield
    except OSError as error:
        raise StorageError.of(path, error) from error


def _advice(path: Path, number: int | None) -> str:
    if number in FULL:
        folder = next(parent for parent in path.absolute().parents if parent.is_dir())
        disk = shutil.disk_usage(folder)
        free, total = disk.free / 1e6, disk.total / 1e6
        return f": the disk that holds {folder} is full, {free:,.1f} of {total:,.1f} MB are free; make room there"
    if number in FORBIDDEN:
        return "; make its folder writable"
    return ""
