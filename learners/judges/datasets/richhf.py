"""The RichHF-18K schema, written and read: TFRecord files `train`, `dev` and `test` with the released fields.

    filename                  bytes  the picture, in the folder of the file or in its `images/`
    artifact_score            float  plausibility, 0..1, higher is better; so are the other three:
    misalignment_score        float  alignment with the prompt
    aesthetics_score          float
    overall_score             float
    artifact_map              bytes  an encoded grey image, 0..255: where the picture is implausible
    misalignment_map          bytes  the same: where it is misaligned with the prompt
    prompt_misalignment_label bytes  "1 0 1": a label for each word of the prompt, 0 where it is misaligned
    prompt                    bytes  our addition; for the release, whose prompts are in Pick-a-Pic, put `STEM.txt`
                                     beside each picture

The release is at github.com/google-research-datasets/richhf-18k. Words are separated by `,.?!":;` and spaces.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np
from PIL import Image, UnidentifiedImageError

from learners.judges.datasets.annotation import file_beneath, read_text
from learners.judges.datasets.ratings import Consensus
from learners.judges.datasets.tfrecords import Example, read_examples
from rewards.arrays import Float32Array

SPLITS = ("train", "dev", "test")
FIELDS = ("artifact_score", "misalignment_score", "aesthetics_score", "overall_score")
"""In the order plausibility, alignment, aesthetics, overall."""
MAPS, LABEL = ("artifact_map", "misalignment_map"), "prompt_misalignment_label"


@dataclass(frozen=True, slots=True)
class Feedback:
    """A record: a picture, its prompt, and the annotators' consensus.

    `image` is None, and `prompt` empty, if the folder does not have them. `consensus.misaligned` has one entry for each
    word of `split_words(prompt)`.
    """

    filename: str
    image: Path | None
    prompt: str
    consensus: Consensus


def split_words(prompt: str) -> tuple[str, ...]:
    """The words of a prompt, as the released labels count them."""
    return tuple(word for word in re.split(r"[,.?!\":; ]", prompt) if word)


def to_example(filename: str, prompt: str, consensus: Consensus) -> Example:
    """The TFRecord example of a picture; raises ValueError if there is not one label for each word."""
    labels, words = len(consensus.misaligned), len(split_words(prompt))
    if labels != words:
        raise ValueError(f"{filename}: {labels} labels for the {words} words of {prompt!r}; give one for each word")
    return {
        "filename": filename.encode(),
        "prompt": prompt.encode(),
        **{field: float(score) for field, score in zip(FIELDS, consensus.scores, strict=True)},
        MAPS[0]: _encoded(consensus.artifact_map),
        MAPS[1]: _encoded(consensus.misalignment_map),
        LABEL: " ".join("0" if bad else "1" for bad in consensus.misaligned).encode(),
    }


def read_split(folder: Path, split: str) -> Iterator[Feedback]:
    """The records of `folder/SPLIT.tfrecord` in order, of a drawn or of the released data set.

    Raises ValueError that names the file, the record and the field if something is missing or invalid.
    """
    path = folder / f"{split}.tfrecord"
    if not path.is_file():
        there = ", ".join(sorted(p.name for p in folder.glob("*.tfrecord"))) or "none"
        raise ValueError(f"{path} is not there (TFRecord files there: {there}); a split is {', '.join(SPLITS)}")
    for number, example in enumerate(read_examples(path)):
        yield _feedback(example, folder, f"{path}: record {number}")


def _feedback(example: Example, folder: Path, where: str) -> Feedback:
    filename = _text(example, "filename", where)
    image = _find_image(folder, filename)
    prompt = _text(example, "prompt", where) if "prompt" in example else _prompt_beside(image, where)
    labels = _text(example, LABEL, where).split()
    if not set(labels) <= {"0", "1"}:
        raise ValueError(f"{where}: field {LABEL!r} must be 0s and 1s with spaces between, not {' '.join(labels)!r}")
    if prompt and len(labels) != len(split_words(prompt)):
        raise ValueError(
            f"{where}: field {LABEL!r} has {len(labels)} labels for the {len(split_words(prompt))} words of {prompt!r}"
        )
    a, b, c, d = (_score(example, field, where) for field in FIELDS)
    artifact_map, misalignment_map = (_decoded(example, field, where) for field in MAPS)
    consensus = Consensus((a, b, c, d), artifact_map, misalignment_map, tuple(label == "0" for label in labels))
    return Feedback(filename, image, prompt, consensus)


def _find_image(folder: Path, filename: str) -> Path | None:
    names = (filename, f"images/{filename}", f"images/{PurePosixPath(filename).name}")
    return next((path for name in names if (path := file_beneath(folder, name))), None)


def _prompt_beside(image: Path | None, where: str) -> str:
    text = image.with_suffix(".txt") if image else None
    try:
        return read_text(text).strip() if text and text.is_file() else ""
    except ValueError as error:
        raise ValueError(f"{where}: its prompt cannot be read: {error}") from None


def _field(example: Example, field: str, where: str) -> bytes | float | int:
    if field not in example:
        wanted = ", ".join(("filename", *FIELDS, *MAPS, LABEL))
        raise ValueError(f"{where}: field {field!r} is missing or empty; a RichHF-18K record has {wanted}")
    return example[field]


def _text(example: Example, field: str, where: str) -> str:
    value = _field(example, field, where)
    try:
        return value.decode() if isinstance(value, bytes) else _wrong(field, where, "text")
    except UnicodeDecodeError:
        return _wrong(field, where, "UTF-8 text")


def _score(example: Example, field: str, where: str) -> float:
    value = _field(example, field, where)
    if isinstance(value, bytes) or not math.isfinite(value) or not 0 <= value <= 1:
        shown = value if isinstance(value, float | int) else "bytes"
        _wrong(field, where, f"a number in 0..1, that is (score − 1)/4 of the 1..5 scale, not {shown}")
    return float(value)


def _decoded(example: Example, field: str, where: str) -> Float32Array:
    value = _field(example, field, where)
    try:
        with Image.open(io.BytesIO(value if isinstance(value, bytes) else b""), formats=("PNG", "JPEG")) as image:
            return np.asarray(image.convert("L"), np.float32) / np.float32(255)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        _wrong(field, where, "an encoded image (PNG or JPEG)")


def _encoded(values: Float32Array) -> bytes:
    """A map in 0..1 as PNG."""
    buffer = io.BytesIO()
    Image.fromarray((values * 255).round().astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _wrong(field: str, where: str, wanted: str) -> NoReturn:
    raise ValueError(f"{where}: field {field!r} must be {wanted}; download the file again or mend the record")
