# pyright: strict
"""Atomic writes: files that are whole at any moment.

Every file that somebody may read while it is written, or that a killed run is resumed from, is written like this.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from rewards.storage_error import writing

PART = ".part"
"""What a killed process may leave behind ends in this."""


@contextmanager
def atomic_write(path: Path) -> Generator[Path]:
    """Context manager: a path beside `path` to write to; the file takes the name `path` when the block ends well.

    Whoever reads `path`, at any time, finds the old file or the new one, even if this process is killed meanwhile. The
    folder must be there. A block that raises leaves `path` as it was, and nothing beside it. Raises StorageError for
    what the system refuses, a full disk above all.
    """
    part = path.with_name(path.name + PART)
    with writing(path):
        try:
            yield part
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
