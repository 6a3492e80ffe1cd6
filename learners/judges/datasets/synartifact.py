"""The SynArtifact-1K schema, written and read: a JSON file for each image, with a list of its artifacts.

    {"image": "000017.png", "prompt": "a grey elephant in the meadow", "class": "elephant",
     "artifacts": [{"category": "omitted", "caption": "the elephant has no legs", "rectangle": [x1, y1, x2, y2]}]}

Rectangles are in pixels of the image. `split.json` lists the train and the test images. The released data set has
another layout (`learners/judges/datasets/synartifact_release.py`), which `read_folder` reads as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from learners.judges.datasets.annotation import (
    Annotation,
    Artifact,
    as_text,
    box_in,
    file_beneath,
    is_list,
    is_object,
    read_json,
    size_of,
)
from learners.judges.datasets.synartifact_release import ANNOTATIONS, is_release, read_release
from rewards.arrays import ImageArray

SPLIT = "split.json"


def write_annotation(annotation: Annotation, pixels: ImageArray) -> dict[str, Any]:
    """Writes `pixels` `[h, w, 3]` to `annotation.image`, and the record beside it; returns the record."""
    image = Image.fromarray(pixels)
    image.save(annotation.image)
    w, h = image.size
    record = {
        "image": annotation.image.name,
        "prompt": annotation.prompt,
        "class": annotation.label,
        "artifacts": [
            {
                "category": a.category,
                "caption": a.caption,
                "rectangle": [round(v * s, 2) for v, s in zip(a.box, (w, h, w, h), strict=True)],
            }
            for a in annotation.artifacts
        ],
    }
    annotation.image.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    return record


def read_annotation(path: Path) -> Annotation:
    """The annotation in a JSON file.

    Raises ValueError that names the file and the key if something is missing, the image can't be read, or a rectangle
    is not inside it.
    """
    record = read_json(path)
    if not is_object(record) or not is_list(record.get("artifacts", [])):
        raise ValueError(f"{path}: not a record {{'image': …, 'artifacts': […]}}, an empty list if there are none")
    missing = [key for key in ("image", "artifacts") if key not in record]
    if missing:
        raise ValueError(f"{path}: key {missing[0]!r} is missing")
    image = file_beneath(path.parent, str(record["image"]))
    if image is None:
        raise ValueError(f"{path}: image {record['image']!r} is not beside it")
    size = size_of(image, str(path))
    found = tuple(_artifact(a, size, f"{path}: artifacts[{i}]") for i, a in enumerate(record["artifacts"]))
    return Annotation(image, as_text(record.get("prompt")), as_text(record.get("class")), found)


def _artifact(record: Any, size: tuple[int, int], where: str) -> Artifact:
    try:
        x1, y1, x2, y2 = map(float, record["rectangle"])
        category, caption = as_text(record["category"]), as_text(record.get("caption"))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(f"{where} needs 'category' and 'rectangle' [x1, y1, x2, y2]") from None
    if not category:
        raise ValueError(f"{where} needs a 'category', and it is empty")
    return Artifact(category, caption, box_in(size, (x1, y1, x2, y2), f"{where}.rectangle"))


def read_folder(
    folder: Path, split: str | None = None, classes: Mapping[str, str] | None = None
) -> Iterator[Annotation]:
    """The annotations of a folder, or of its `images/`, in the order of their names; with `split`, those of `train` or
    `test`.

    The folder may also be the released data set, in which categories are numbers; `classes` maps numbers to categories
    (default: the number is the category). Raises ValueError that names the folder if it does not exist or has no
    annotations, and one that names the file if a split or an annotation can't be read.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; name the one that holds the annotations")
    if is_release(folder):
        yield from read_release(folder, split, classes)
        return
    for home in (folder, folder / "images"):
        if paths := sorted(p for p in home.glob("*.json") if p.name != SPLIT):
            yield from map(read_annotation, paths if split is None else _paths_of(home / SPLIT, split))
            return
    raise ValueError(f"{folder} holds no annotation: no JSON in it or in images/, and no folder {ANNOTATIONS}")


def _paths_of(file: Path, split: str) -> list[Path]:
    if not file.is_file():
        raise ValueError(f"{file} is not there; leave the split out, or list the stems of each in it")
    splits = read_json(file)
    if not is_object(splits) or not is_list(splits.get(split)):
        has = ", ".join(splits) if is_object(splits) else "no object with a list of stems for each"
        raise ValueError(f"{file}: no split {split!r}; it has {has}")
    paths: list[Path] = []
    for stem in splits[split]:
        path = file_beneath(file.parent, f"{stem}.json")
        if path is None:
            raise ValueError(f"{file}: {split!r} lists {stem!r}, and {stem}.json is not beside it")
        paths.append(path)
    return paths
