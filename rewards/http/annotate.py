# pyright: strict
"""Pictures with the judges' boxes and heatmaps drawn on them."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from rewards.arrays import Float32Array, ImageArray
from rewards.pictures.captions import caption_font, drawable
from rewards.verdict import Verdict

SMALLEST = 384
"""pixels that the shorter side is enlarged to, so that labels can be read"""
MARGIN, LINE = 4, 14


def annotate(image: ImageArray, verdicts: Mapping[str, Verdict]) -> Image.Image:
    """A row of pictures: `image` `[h, w, 3]` uint8 with every judge's boxes, then once more under each heatmap.

    A small picture is enlarged by a whole number. Each judge has a colour; a heatmap is red where it is hottest.
    """
    scale = max(1, -(-SMALLEST // min(image.shape[:2])))
    height, width = image.shape[:2]
    base = Image.fromarray(image).resize((width * scale, height * scale), Image.Resampling.NEAREST)
    panels = {"": _with_boxes(base, verdicts)}
    for name, verdict in verdicts.items():
        panels |= {f"{name}: {key}": _with_heatmap(base, heatmap) for key, heatmap in verdict.heatmaps.items()}
    return _in_a_row(panels)


def _with_boxes(base: Image.Image, verdicts: Mapping[str, Verdict]) -> Image.Image:
    picture = base.copy()
    pen = ImageDraw.Draw(picture)
    for i, (name, verdict) in enumerate(verdicts.items()):
        colour = _colour(i)
        for label, corners in verdict.boxes:
            xs = sorted(_pixel(corner, picture.width) for corner in (corners[0], corners[2]))
            ys = sorted(_pixel(corner, picture.height) for corner in (corners[1], corners[3]))
            pen.rectangle((xs[0], ys[0], xs[1], ys[1]), outline=colour, width=3)
            _write(pen, (xs[0] + MARGIN, ys[0] + MARGIN), f"{name}: {label}", colour)
    return picture


def _with_heatmap(base: Image.Image, heatmap: Float32Array) -> Image.Image:
    heat = np.clip(np.nan_to_num(np.asarray(heatmap, np.float32)), 0, 1)
    mask = Image.fromarray(np.rint(heat * 200).astype(np.uint8)).resize(base.size, Image.Resampling.BILINEAR)
    grey = base.convert("L").convert("RGB")
    return Image.composite(Image.new("RGB", base.size, (255, 0, 0)), grey, mask)


def _in_a_row(panels: Mapping[str, Image.Image]) -> Image.Image:
    width, height = next(iter(panels.values())).size
    row = Image.new("RGB", (len(panels) * (width + MARGIN) - MARGIN, height), (255, 255, 255))
    for i, (title, panel) in enumerate(panels.items()):
        if title:
            _write(ImageDraw.Draw(panel), (MARGIN, MARGIN), title, (255, 255, 255))
        row.paste(panel, (i * (width + MARGIN), 0))
    return row


def _write(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, colour: tuple[int, int, int]) -> None:
    """Text on a dark ground, readable on any picture."""
    text, font = drawable(text), caption_font(LINE)
    pen.rectangle(pen.textbbox(corner, text, font=font), fill=(0, 0, 0))
    pen.text(corner, text, fill=colour, font=font)


def _pixel(fraction: float, size: int) -> int:
    return round(min(max(fraction, 0.0), 1.0) * (size - 1)) if np.isfinite(fraction) else 0


def _colour(i: int) -> tuple[int, int, int]:
    """Colours far from each other: steps of the golden ratio around the colour circle."""
    red, green, blue = colorsys.hsv_to_rgb(i * 0.618 % 1, 0.6, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
