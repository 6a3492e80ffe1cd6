# pyright: strict
"""The guard for every file that a user names: what is read is a regular file of a sensible size."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rewards.text import decode_text

CONFIG_BYTES = 16 * 2**20
"""of a config, a table, or the settings of a model"""
PROMPTS_BYTES = 512 * 2**20
PICTURE_BYTES = 256 * 2**20

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def read_user_file(path: Path | str, limit: int = CONFIG_BYTES) -> bytes:
    """The content of the regular file at `path`, which has at most `limit` bytes.

    Raises ValueError, in one line that begins with the path, for what is not there, is no regular file, is too large or
    cannot be read. Nothing is waited for: a pipe that nobody writes to, or a device without end, is refused at once.
    """
    content = _content(path, limit + 1)
    if len(content) > limit:
        raise ValueError(f"{path}: is larger than {_mebibytes(limit)}; nothing of its kind is")
    return content


def read_user_text(path: Path | str, limit: int = CONFIG_BYTES) -> str:
    """The text of the file at `path`, as `rewards.text` has it; raises ValueError as `read_user_file` does."""
    return decode_text(read_user_file(path, limit), str(path))


def check_regular(path: Path | str) -> None:
    """Raises ValueError as `read_user_file` does, for a file of any size that a library is to read."""
    _content(path, 0)


def _content(path: Path | str, most: int) -> bytes:
    """The first `most` bytes of a regular file; raises ValueError for anything else."""
    try:
        return _regular(path, most)
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        if "null byte" in str(error):
            raise ValueError(f"{str(path)!r}: no file can have that name (it holds a NUL)") from None
        raise


def _regular(path: Path | str, most: int) -> bytes:
    """The first `most` bytes of a regular file; raises OSError or ValueError."""
    descriptor = os.open(os.path.expanduser(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"{path}: is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file")
    except ValueError:
        os.close(descriptor)
        raise
    with open(descriptor, "rb") as file:
        return file.read(most)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB" if size >= 2**20 else f"{size:,} bytes"
