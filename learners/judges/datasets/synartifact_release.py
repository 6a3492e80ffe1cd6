"""SynArtifact-1K as it was released (arXiv 2402.18068): annotations in folders of their own, categories as numbers.

    ROOT/SUB/ID.jpg                  with  ROOT/SUB/annotation_json_artifacts_class/ID.json
    ROOT/images/[…]/ID.jpg           with  ROOT/data/annotation_json_artifacts_class/ID.json
    ROOT/eval.txt                    the test pictures, a path on each line: SUB/ID.jpg

    {"Artifacts annotation": [{"rect_start": [x, y], "rect_end": [x, y], "artifacts_caption": "the cat has no legs",
                               "artifacts_class": "2"}],
     "Other artifacts caption": "None"}

Corners are in pixels, in any order. "Other artifacts caption" is about the whole picture. There are no prompts.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from learners.judges.datasets.annotation import Annotation, Artifact, as_text, box_in, read_json, read_text, size_of

ANNOTATIONS, TEST = "annotation_json_artifacts_class", "eval.txt"
LIST, OTHER = "Artifacts annotation", "Other artifacts caption"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

Stems = Mapping[str, Sequence[Path]]
"""Stem → the pictures that have it."""


def is_release(folder: Path) -> bool:
    """Whether a folder has annotations as they were released."""
    return any(folder.rglob(f"{ANNOTATIONS}/*.json"))


def read_release(folder: Path, split: str | None, classes: Mapping[str, str] | None) -> Iterator[Annotation]:
    """The annotations in the order of their paths; of the split "test", those of `eval.txt`, of "train", the others.

    `classes` names the numbers of the categories; without it, a category is its number. Raises ValueError that names
    the file and the key when something is missing or makes no sense.
    """
    if split not in (None, "train", "test"):
        raise ValueError(f"{folder}: no split {split!r}; the released data set has train and test")
    pictures = cache(_pictures)
    images = {path: _image_of(path, pictures) for path in sorted(folder.rglob(f"{ANNOTATIONS}/*.json"))}
    test = set() if split is None else _listed(folder / TEST, list(images.values()))
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
    """The images that `file` lists. A line that means none is refused: its picture would be taken for training."""
    if not file.is_file():
        raise ValueError(
            f"{file} is not there; leave the split out, or list the test pictures in it, a path on each line"
        )
    names = {Path(os.path.relpath(image, file.parent)).as_posix(): image for image in images}
    names = {name.removeprefix("images/"): image for name, image in names.items()} | names
    listed: set[Path] = set()
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if not (name := line.strip()):
            continue
        image = names.get(PurePosixPath(name).as_posix())
        if image is None:
            raise ValueError(f"{file}: line {number} lists {name!r}, and no such picture with an annotation is there")
        listed.add(image)
    return listed


def _annotation(path: Path, image: Path, classes: Mapping[str, str] | None) -> Annotation:
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get(LIST), list):
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
