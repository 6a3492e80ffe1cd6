# pyright: strict
"""Files that are whole at any moment."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"
"""What a killed process may leave behind ends in this."""


@contextmanager
def atomic_write(path: Path) -> Generator[Path]:
    """A path to write to; the file is put in the place of `path` when the block ends well."""
    part = path.with_name(path.name + PART)
    yield part
    os.replace(part, path)
