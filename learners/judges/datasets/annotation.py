"""An annotated image, and the checks that the readers of data sets share: text, JSON, image files, boxes, paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

from PIL import Image

from rewards.boxes import Box
from rewards.text import parse_json
from rewards.user_input.files import read_user_text

DATASET_BYTES = 512 * 2**20
"""of a file of annotations"""


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact in one image as SynArtifact-1K annotates it; the box is in fractions of the image."""

    category: str
    caption: str
    box: Box


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotated image. `artifacts` is empty when it has none; boxes are fractions of the image."""

    image: Path
    prompt: str
    label: str
    artifacts: tuple[Artifact, ...]


def read_text(path: Path) -> str:
    """The text of a file, as `rewards.text` has it; raises ValueError that names the file, also for what is none."""
    return read_user_text(path, DATASET_BYTES)


def read_json(path: Path) -> Any:
    """The JSON of a file; raises ValueError that names the file."""
    return parse_json(read_text(path), str(path))


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def as_text(value: Any) -> str:
    """A value of a record as text; `null` becomes an empty text."""
    return "" if value is None else str(value)


def size_of(image: Path, where: str) -> tuple[int, int]:
    """Width and height of an image; raises ValueError, prefixed by `where`, if it cannot be read to its end."""
    try:
        with Image.open(image) as opened:
            opened.load()  # the header alone does not show that the file is cut short
            return opened.size
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{where}: image {str(image)!r} cannot be read ({error}); is it cut short, no image, or far too large?"
        ) from None


def box_in(size: tuple[int, int], corners: tuple[float, float, float, float], where: str) -> Box:
    """The box between two opposite corners `(x, y, x, y)` in pixels, in fractions of an image of `size`.

    The corners may be in any order. Raises ValueError, prefixed by `where`, if the box is not inside the image.
    """
    (w, h), (x1, x2), (y1, y2) = size, sorted(corners[0::2]), sorted(corners[1::2])
    if not (0 <= x1 <= x2 <= w and 0 <= y1 <= y2 <= h):
        raise ValueError(f"{where} {list(corners)} is not inside the {w}×{h} image")
    return x1 / w, y1 / h, x2 / w, y2 / h


def beneath(folder: Path, name: str) -> Path | None:
    """`folder/name`, whether or not it exists; None if `name`, from somebody else's record, leads out of `folder`."""
    relative = PurePosixPath(name)
    return None if relative.is_absolute() or ".." in relative.parts else folder / relative


def file_beneath(folder: Path, name: str) -> Path | None:
    """The file `folder/name`; None if it does not exist, leads out of `folder`, or no file can have such a name."""
    path = beneath(folder, name)
    try:
        return path if path is not None and path.is_file() else None
    except OSError:  # longer than the system allows
        return None
