# pyright: basic
"""Small data sets of the drawn world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_sets.forms import png, write_images, write_table
from menagerie.world.picture import Picture, draw, sample


def drawn(count: int) -> list[tuple[Picture, Picture]]:
    """Scenes of the drawn world, each whole and with a distorted animal."""
    scenes = [sample(seed, damaged=0.0).scene for seed in range(count)]
    return [(draw(scene), draw(scene, ("distorted and deformated",), seed=i)) for i, scene in enumerate(scenes)]


def write_drawn_pairs(path: Path, count: int) -> Path:
    """Pairs of the drawn world, the damaged picture first in every second row."""
    columns: dict[str, list[Any]] = {"caption": [], "jpg_0": [], "jpg_1": [], "label_0": []}
    for i, (whole, damaged) in enumerate(drawn(count)):
        first, second = (whole, damaged) if i % 2 else (damaged, whole)
        row = {
            "caption": whole.caption,
            "jpg_0": png(first.pixels),
            "jpg_1": png(second.pixels),
            "label_0": float(i % 2),
        }
        for name, value in row.items():
            columns[name].append(value)
    return write_table(path, columns)


def write_drawn_images(folder: Path, count: int) -> Path:
    """An image folder of whole pictures of the drawn world."""
    return write_images(
        folder, [(f"{i}.png", whole.pixels, whole.caption) for i, (whole, _) in enumerate(drawn(count))]
    )
