"""The released layout of SynArtifact-1K (arXiv 2402.18068): annotations in separate folders, numbers as categories.

    ROOT/SUB/ID.jpg                  with  ROOT/SUB/annotation_json_artifacts_class/ID.json
    ROOT/images/[…]/ID.jpg           with  ROOT/data/annotation_json_artifacts_class/ID.json
    ROOT/eval.txt                    the test pictures, one path a line: SUB/ID.jpg

    {"Artifacts annotation": [{"rect_start": [x, y], "rect_end": [x, y], "artifacts_caption": "the cat has no legs",
                               "artifacts_class": "2"}],
     "Other artifacts caption": "None"}

Corners are in pixels, in any order. "Other artifacts caption" describes the whole picture. There are no prompts.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from learners.judges.datasets.annotation import (
    Annotation,
    Artifact,
    as_text,
    box_in,
    is_list,
    is_object,
    read_json,
    read_text,
    size_of,
)
from rewards.text import lines_of

ANNOTATIONS, TEST = "annotation_json_artifacts_class", "eval.txt"
LIST, OTHER = "Artifacts annotation", "Other artifacts caption"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

Stems = Mapping[str, Sequence[Path]]
"""Stem of a file name → the pictures that have it."""


def is_release(folder: Path) -> bool:
    """Whether a folder has the released layout."""
    return any(folder.rglob(f"{ANNOTATIONS}/*.json"))


def read_release(folder: Path, split: str | None, classes: Mapping[str, str] | None) -> Iterator[Annotation]:
    """The annotations in the order of their paths. The split "test" has those of `eval.txt`, "train" the others.

    `classes` maps numbers to categories; without it, the number is the category. Raises ValueError that names the file
    and the key if something is missing or invalid.
    """
    if split not in (None, "train", "test"):
        raise ValueError(f"{folder}: no split {split!r}; the released data set has train and test")
    pictures = cache(_pictures)
    images = {path: _image_of(path, pictures) for path in sorted(folder.rglob(f"{ANNOTATIONS}/*.json"))}
    test: set[Path] = set() if split is None else _listed(folder / TEST, list(images.values()))
    for path, image in images.items():
        if split is None or (image in test) == (split == "test"):
            yield _annotation(path, image, classes)


def _image_of(path: Path, pictures: Callable[[Path, str], Stems]) -> Path:
    home = path.parent.parent
    places = {home: "*", home / "images": "**/*", home.parent / "images": "**/*"}
    for place, pattern in places.items():
        found = pictures(place, pattern).get(path.stem, ())
        if len(found) > 1:
            raise ValueError(f"{path}: its picture may be {found[0]} or {found[1]}; leave only one of them there")
        if found:
            return found[0]
    raise ValueError(f"{path}: no picture {path.stem} ({', '.join(SUFFIXES)}) in {', '.join(map(str, places))}")


def _pictures(folder: Path, pattern: str) -> Stems:
    stems: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.glob(pattern)):
        if path.suffix.lower() in SUFFIXES:
            stems[path.stem].append(path)
    return stems


def _listed(file: Path, images: Sequence[Path]) -> set[Path]:
    """The images that `file` lists; a line without an image is an error, or a misspelt one would be trained on."""
    if not file.is_file():
        raise ValueError(
            f"{file} is not there; leave the split out, or list the test pictures in it, a path on each line"
        )
    names = {Path(os.path.relpath(image, file.parent)).as_posix(): image for image in images}
    names = {name.removeprefix("images/"): image for name, image in names.items()} | names
    listed: set[Path] = set()
    for number, line in enumerate(lines_of(read_text(file)), 1):
        if not (name := line.strip()):
            continue
        image = names.get(PurePosixPath(name).as_posix())
        if image is None:
            raise ValueError(f"{file}: line {number} lists {name!r}, and no such picture with an annotation is there")
        listed.add(image)
    return listed


def _annotation(path: Path, image: Path, classes: Mapping[str, str] | None) -> Annotation:
    record = read_json(path)
    if not is_object(record) or not is_list(record.get(LIST)):
        raise ValueError(f"{path}: key {LIST!r} must be a list, an empty one if there are no artifacts")
    size = size_of(image, str(path))
    found = [_artifact(a, size, classes, f"{path}: {LIST!r}[{i}]") for i, a in enumerate(record[LIST])]
    other = as_text(record.get(OTHER)).strip()
    if other.rstrip(".").lower() not in ("", "none"):
        found.append(Artifact("other", other, (0.0, 0.0, 1.0, 1.0)))
    return Annotation(image, "", "", tuple(found))


def _artifact(record: Any, size: tuple[int, int], classes: Mapping[str, str] | None, where: str) -> Artifact:
    try:
        (x1, y1), (x2, y2) = (map(float, record[key]) for key in ("rect_start", "rect_end"))
        number, caption = as_text(record["artifacts_class"]), as_text(record.get("artifacts_caption"))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(f"{where} needs 'artifacts_class', and 'rect_start' and 'rect_end' [x, y]") from None
    if not number:
        raise ValueError(f"{where} needs an 'artifacts_class', and it is empty")
    if classes is not None and number not in classes:
        raise ValueError(f"{where}: artifacts_class {number!r} is none of the given classes ({', '.join(classes)})")
    category = number if classes is None else classes[number]
    return Artifact(category, caption, box_in(size, (x1, y1, x2, y2), f"{where}: from rect_start to rect_end"))
