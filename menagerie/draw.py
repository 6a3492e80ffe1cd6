"""`salon menagerie draw`: a data set of drawn pictures in the SynArtifact-1K schema."""

from __future__ import annotations

import json
import random
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw

from menagerie.picture import Picture, sample
from menagerie.synartifact import write_annotation

DAMAGED, TEST = 768 / 1310, 265 / 1310
"""The shares of SynArtifact-1K (arXiv 2402.18068): pictures with artifacts, and pictures held out for the test."""


def draw_dataset(count: int, out: Path, seed: int = 0) -> Path:
    """Draws `count` pictures into `out`, 768 of 1,310 with artifacts and 265 of 1,310 in the test split.

    Returns the contact sheet that shows the first of them with boxes and captions. Raises FileExistsError rather than
    mix with a folder that holds something.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty; give a new folder, so that nothing is overwritten")
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    kinds = [True] * round(count * DAMAGED) + [False] * (count - round(count * DAMAGED))
    rng.shuffle(kinds)
    stems = [f"{i:06d}" for i in range(count)]
    first: list[Picture] = []
    for stem, damaged in zip(stems, kinds, strict=True):
        picture = sample(rng.getrandbits(40), damaged=float(damaged))
        write_annotation(picture, out, stem)
        if len(first) < 48:
            first.append(picture)
    test = set(rng.sample(stems, round(count * TEST)))
    split = {"train": [s for s in stems if s not in test], "test": sorted(test)}
    (out / "split.json").write_text(json.dumps(split) + "\n")
    sheet = out / "contact-sheet.png"
    contact_sheet(first).save(sheet)
    return sheet


def contact_sheet(pictures: list[Picture], columns: int = 8, zoom: int = 3) -> Image.Image:
    """The pictures in a grid, each with the boxes of its artifacts, what they are, and its caption below."""
    side, strip = 64 * zoom, 44
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * side, rows * (side + strip)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, picture in enumerate(pictures):
        x, y = i % columns * side, i // columns * (side + strip)
        sheet.paste(Image.fromarray(picture.pixels).resize((side, side), Image.Resampling.NEAREST), (x, y))
        for a in picture.artifacts:
            pen.rectangle(
                [x + a.box[0] * side, y + a.box[1] * side, x + a.box[2] * side - 1, y + a.box[3] * side - 1],
                outline=(220, 0, 60),
                width=2,
            )
        lines = _wrapped(picture.caption, 32) + [(a.category, (200, 0, 50)) for a in picture.artifacts]
        for k, (text, colour) in enumerate(lines[:4]):
            pen.text((x + 3, y + side + 1 + 10 * k), text, fill=colour)
    return sheet


def _wrapped(text: str, width: int) -> list[tuple[str, tuple[int, int, int]]]:
    return [(line, (20, 20, 20)) for line in textwrap.wrap(text, width)]
