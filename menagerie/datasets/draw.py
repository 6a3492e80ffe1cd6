"""`salon menagerie draw`: writes a data set of drawn pictures in the schema of SynArtifact-1K or of RichHF-18K.

Both have the pictures in `images/`, their ground truth in `truth.jsonl`, a line for each, and a contact sheet of the
first ones. SynArtifact's `images/metadata.jsonl` is for the "imagefolder" of Hugging Face's `datasets`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from learners.judges.datasets.annotation import Annotation
from learners.judges.datasets.ratings import consolidate
from learners.judges.datasets.richhf import SPLITS, read_split, to_example
from learners.judges.datasets.synartifact import read_annotation, write_annotation
from learners.judges.datasets.tfrecords import Example, write_examples
from menagerie.labels.contact_sheet import contact_sheet
from menagerie.labels.raters import rate
from menagerie.labels.truth import Truth
from menagerie.world.picture import sample
from menagerie.world.wide import sample_wide
from rewards.arrays import ImageArray
from rewards.errors import ExportError

Schema = Literal["synartifact", "richhf"]

DAMAGED, TEST = 768 / 1310, 265 / 1310
"""The shares of SynArtifact-1K (arXiv 2402.18068) that have artifacts, and that are in the test split."""

SHARES = (15_810 / 17_760, 995 / 17_760, 955 / 17_760)
"""The shares of RichHF-18K's splits: train, dev, test."""

MISALIGNED = 0.5
"""The share of pictures in a RichHF data set whose prompt is wrong."""

SHOWN = 48
"""Pictures on the contact sheet."""


def draw_dataset(count: int, out: Path, seed: int = 0, schema: Schema = "synartifact") -> Path:
    """Draws `count` pictures into `out`, 768 of 1,310 with artifacts; returns the path of the contact sheet.

    "synartifact" draws the plain world, with 265 of 1,310 pictures in the test split. "richhf" draws the wider world,
    with a wrong prompt for every second picture, rated by three simulated annotators, whose ratings are in
    `raters.jsonl`. Raises FileExistsError if `out` is not empty, and ExportError if it is not read back as written.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty; give a new folder, so that nothing is overwritten")
    (out / "images").mkdir(parents=True)
    rng = random.Random(seed)
    kinds = [True] * round(count * DAMAGED) + [False] * (count - round(count * DAMAGED))
    rng.shuffle(kinds)
    drawn = _draw_synartifact(kinds, out / "images", rng) if schema == "synartifact" else _draw_richhf(kinds, out, rng)
    first: list[Truth] = []
    with (out / "truth.jsonl").open("w") as file:
        for name, truth in drawn:
            file.write(json.dumps({"image": name, **truth.record()}) + "\n")
            if len(first) < SHOWN:
                first.append(truth)
    sheet = out / "contact-sheet.png"
    contact_sheet(first).save(sheet)
    return sheet


def _draw_synartifact(kinds: list[bool], out: Path, rng: random.Random) -> Iterator[tuple[str, Truth]]:
    stems = [f"{i:06d}" for i in range(len(kinds))]
    with (out / "metadata.jsonl").open("w") as file:
        for i, (stem, damaged) in enumerate(zip(stems, kinds, strict=True)):
            picture = sample(rng.getrandbits(40), damaged=float(damaged))
            label = picture.scene.creatures[0].species
            annotation = Annotation(out / f"{stem}.png", picture.caption, label, picture.artifacts)
            record = write_annotation(annotation, picture.pixels)
            _check_annotation(annotation, picture.pixels)
            file.write(json.dumps({"file_name": record.pop("image"), **record}) + "\n")
            yield f"{stem}.png", Truth.of(picture, random.Random(i), form="plain")
    test = set(rng.sample(stems, round(len(stems) * TEST)))
    split = {"train": [s for s in stems if s not in test], "test": sorted(test)}
    (out / "split.json").write_text(json.dumps(split) + "\n")


def _draw_richhf(kinds: list[bool], out: Path, rng: random.Random) -> Iterator[tuple[str, Truth]]:
    examples: dict[str, list[Example]] = {split: [] for split in SPLITS}
    with (out / "raters.jsonl").open("w") as file:
        for i, damaged in enumerate(kinds):
            name = f"{i:06d}.png"
            truth = Truth.of(sample_wide(rng.getrandbits(40), damaged=float(damaged)), rng, misaligned=MISALIGNED)
            pixels, ratings = truth.picture.pixels, rate(truth, rng)
            Image.fromarray(pixels).save(out / "images" / name)
            file.write(json.dumps({"filename": name, "ratings": [asdict(r) for r in ratings]}) + "\n")
            consensus = consolidate(ratings, *pixels.shape[:2])
            examples[rng.choices(SPLITS, SHARES)[0]].append(to_example(name, truth.prompt.text, consensus))
            yield name, truth
    for split, records in examples.items():
        write_examples(out / f"{split}.tfrecord", records)
        read = [to_example(its.filename, its.prompt, its.consensus) for its in read_split(out, split)]
        if [_rounded(example) for example in read] != [_rounded(example) for example in records]:
            raise ExportError(f"{out}/{split}.tfrecord is not read back as it was written")


def _check_annotation(written: Annotation, pixels: ImageArray) -> None:
    """Raises ExportError unless picture and record are read back as they were written; corners are stored in hundredths
    of a pixel."""
    read, (h, w) = read_annotation(written.image.with_suffix(".json")), pixels.shape[:2]
    same = (read.image, read.prompt, read.label) == (written.image, written.prompt, written.label)
    same &= [(a.category, a.caption) for a in read.artifacts] == [(a.category, a.caption) for a in written.artifacts]
    for mine, theirs in zip(written.artifacts, read.artifacts, strict=same):
        off = np.abs(np.subtract(mine.box, theirs.box)) * (w, h, w, h)
        same &= bool((off <= 0.0051).all())
    with Image.open(written.image) as opened:
        same &= np.array_equal(np.asarray(opened), pixels)
    if not same:
        raise ExportError(f"{written.image} and the record beside it are not read back as they were written")


def _rounded(example: Example) -> Example:
    """Numbers as a TFRecord stores them."""
    return {key: float(np.float32(value)) if isinstance(value, float) else value for key, value in example.items()}
