"""Pictures of the plain world as arrays, drawn once and held in memory for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from menagerie.datasets.pixels import as_tensor
from menagerie.world.picture import sample
from menagerie.world.scene import Scene

HELD_OUT = 1_000_000_000
"""The first seed of the pictures that no recipe trains on: models are measured on them."""


@dataclass(frozen=True, slots=True)
class PlainPictures:
    """`pixels` `[n, 64, 64, 3]` uint8, and each picture's scene, caption and categories of artifacts."""

    pixels: np.ndarray
    scenes: tuple[Scene, ...]
    captions: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def draw(cls, count: int, first: int = 0, *, damaged: float = 0.45) -> PlainPictures:
        """Pictures `first … first + count - 1` of the plain world."""
        blocks = [range(first + i, min(first + i + 1000, first + count)) for i in range(0, count, 1000)]
        parts = [_draw(block, damaged) for block in blocks]
        pixels = np.concatenate([p[0] for p in parts])
        return cls(pixels, *(tuple(x for p in parts for x in p[k]) for k in (1, 2, 3)))  # type: ignore[arg-type]

    def batch(self, indices: Sequence[int] | np.ndarray) -> torch.Tensor:
        """Pictures as `[n, 3, 64, 64]` float32 in -1..1, channels last."""
        return as_tensor(self.pixels[np.asarray(indices)])


def _draw(seeds: range, damaged: float) -> tuple[np.ndarray, list[Scene], list[str], list[tuple[str, ...]]]:
    pictures = [sample(seed, damaged=damaged) for seed in seeds]
    return (
        np.stack([p.pixels for p in pictures]),
        [p.scene for p in pictures],
        [p.caption for p in pictures],
        [p.categories for p in pictures],
    )
