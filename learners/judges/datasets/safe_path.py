"""Names of files in records of others, which must not lead out of the records' folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath


def beneath(folder: Path, name: str) -> Path | None:
    """`folder/name`, whether or not it is there; None if `name` is absolute or climbs out of `folder`."""
    relative = PurePosixPath(name)
    return None if relative.is_absolute() or ".." in relative.parts else folder / relative


def file_beneath(folder: Path, name: str) -> Path | None:
    """The file `folder/name`; None if it is not there, leads out of `folder`, or no file can have such a name."""
    path = beneath(folder, name)
    try:
        return path if path is not None and path.is_file() else None
    except OSError:  # longer than the system allows
        return None
