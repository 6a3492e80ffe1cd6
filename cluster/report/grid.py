# pyright: strict
"""Sample grids: pictures of fixed prompts and seeds on one sheet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rewards.arrays import ImageArray
from rewards.atomic_write import atomic_write
from rewards.errors import first_line
from rewards.pictures.captions import caption_font, drawable
from rewards.storage_error import writing

PAPER, INK, FAINT, BAD = (250, 249, 246), (38, 38, 36), (128, 126, 120), (176, 84, 58)
FONT_SIZE = 13
LINE = 18
GAP = 6
MARGIN = 24
TARGET_CELL = 128  # pixels a picture should be wide on the sheet: small ones are enlarged by a whole factor
MAX_CELL = 256


@dataclass(frozen=True)
class SampleGrid:
    """Pictures of a few prompts, `k` each, with an audit judge's verdicts on them.

    `images` is uint8 `[p, k, h, w, 3]`, `seeds[i][j]` made `images[i, j]`; `answers[i][j]` is the judge's text and
    `clean[i][j]` whether it found nothing wrong (None: not judged).
    """

    prompts: Sequence[str]
    images: ImageArray
    seeds: Sequence[Sequence[int]]
    answers: Sequence[Sequence[str]]
    clean: Sequence[Sequence[bool | None]]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 5 or self.images.shape[-1] != 3:
            raise ValueError(f"a grid takes uint8 [p, k, h, w, 3], not {self.images.dtype} {list(self.images.shape)}")
        p, k = self.images.shape[:2]
        for name in ("seeds", "answers", "clean"):
            if [len(row) for row in getattr(self, name)] != [k] * p:
                raise ValueError(f"a grid of {p} prompts × {k} pictures needs as many {name}")
        if len(self.prompts) != p:
            raise ValueError(f"a grid of {p} × {k} pictures needs {p} prompts, not {len(self.prompts)}")

    def draw(self, title: str = "", columns: int = 2) -> Image.Image:
        """The sheet: `columns` groups in a row, a group being its prompt over a strip of its `k` pictures.

        Under a judged picture stands the judge's answer, in red where it found something wrong.
        """
        p, k, h, w, _ = self.images.shape
        scale = max(1, TARGET_CELL // w)
        cell_w, cell_h = (w * scale, h * scale) if w <= MAX_CELL else (MAX_CELL, h * MAX_CELL // w)
        columns = max(1, min(columns, p))
        strip = k * cell_w + (k - 1) * GAP
        group = LINE + GAP + cell_h + LINE + GAP * 3
        head = LINE * 2 if title else 0
        width = MARGIN * (columns + 1) + strip * columns
        sheet = Image.new("RGB", (width, MARGIN * 2 + head + group * -(-p // columns) - GAP * 3), PAPER)
        pen = ImageDraw.Draw(sheet)
        font, small = caption_font(FONT_SIZE), caption_font(FONT_SIZE - 1)
        if title:
            pen.text((MARGIN, MARGIN - 4), drawable(title), INK, caption_font(FONT_SIZE + 3))
        for i in range(p):
            x0 = MARGIN + (i % columns) * (strip + MARGIN)
            y0 = MARGIN + head + (i // columns) * group
            pen.text((x0, y0), _fit(self.prompts[i], font, strip), INK, font)
            for j in range(k):
                x, y = x0 + j * (cell_w + GAP), y0 + LINE + GAP
                picture = Image.fromarray(self.images[i, j])
                if picture.size != (cell_w, cell_h):
                    picture = picture.resize((cell_w, cell_h), Image.Resampling.BICUBIC)
                sheet.paste(picture, (x, y))
                clean = self.clean[i][j]
                if clean is not None:
                    answer = self.answers[i][j] or ("flawless" if clean else "flawed")
                    pen.text((x, y + cell_h + 4), _fit(answer, small, cell_w), FAINT if clean else BAD, small)
        return sheet

    def save(self, folder: Path, when: str, title: str = "") -> Path:
        """Writes `WHEN.png` (the sheet), `WHEN-III.png` (a strip for each prompt, unscaled) and `WHEN.json`."""
        sheet = folder / f"{when}.png"
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        _save(self.draw(title or when), sheet)
        strips = [f"{when}-{i:03d}.png" for i in range(len(self.prompts))]
        for name, images in zip(strips, self.images, strict=True):
            _save(Image.fromarray(np.concatenate(list(images), axis=1)), folder / name)
        described = {
            "prompts": list(self.prompts),
            "strips": strips,
            "seeds": [[int(seed) for seed in row] for row in self.seeds],
            "answers": [list(row) for row in self.answers],
            "clean": [[None if mark is None else bool(mark) for mark in row] for row in self.clean],
        }
        with atomic_write(folder / f"{when}.json") as part:
            part.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        return sheet

    @classmethod
    def load(cls, folder: Path, when: str) -> SampleGrid | None:
        """The grid that `save` wrote, or None when there is none; raises ValueError, in one line, if it is damaged."""
        path = folder / f"{when}.json"
        if not path.is_file():
            return None
        try:
            return cls._read(folder, json.loads(path.read_text(encoding="utf-8")))
        except Exception as error:  # a damaged picture may raise anything
            raise ValueError(f"{path}: it, or a picture of it, is damaged ({first_line(error)})") from None

    @classmethod
    def _read(cls, folder: Path, described: Mapping[str, Any]) -> SampleGrid:
        strips = [np.asarray(Image.open(folder / name).convert("RGB")) for name in described["strips"]]
        k = len(described["seeds"][0])
        images = np.stack([np.stack(np.split(strip, k, axis=1)) for strip in strips])
        return cls(described["prompts"], images, described["seeds"], described["answers"], described["clean"])

    @classmethod
    def abreast(cls, grids: Sequence[tuple[str, SampleGrid]], prompts: int, samples: int) -> SampleGrid:
        """The first `prompts` prompts of several titled grids, `samples` pictures each, ordered so that `draw` with as
        many columns as there are grids gives each grid a column."""
        turns = [(i, title, grid) for i in range(min(prompts, len(grids[0][1].prompts))) for title, grid in grids]
        return cls(
            [f"{grid.prompts[i]}, {title}" for i, title, grid in turns],
            np.stack([grid.images[i][:samples] for i, _, grid in turns]),
            [grid.seeds[i][:samples] for i, _, grid in turns],
            [grid.answers[i][:samples] for i, _, grid in turns],
            [grid.clean[i][:samples] for i, _, grid in turns],
        )


def _save(picture: Image.Image, path: Path) -> None:
    with atomic_write(path) as part:
        picture.save(part, "PNG", optimize=True)


def _fit(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """`text` as it can be drawn, cut with an ellipsis where it would leave `width` pixels."""
    text = drawable(text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
