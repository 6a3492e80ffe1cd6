"""Pictures of the plain world as arrays, drawn once and held in memory for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from menagerie.datasets.pixels import as_tensor
from menagerie.world.picture import sample
from menagerie.world.scene import Scene
from rewards.arrays import ImageArray, IntArray

HELD_OUT = 1_000_000_000
"""The first seed of the pictures that no recipe trains on: models are measured on them."""


@dataclass(frozen=True, slots=True)
class PlainPictures:
    """`pixels` `[n, 64, 64, 3]` uint8, and each picture's scene, caption and categories of artifacts."""

    pixels: ImageArray
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
        return cls(
            np.concatenate([part.pixels for part in parts]),
            tuple(scene for part in parts for scene in part.scenes),
            tuple(caption for part in parts for caption in part.captions),
            tuple(categories for part in parts for categories in part.categories),
        )

    def batch(self, indices: Sequence[int] | IntArray) -> torch.Tensor:
        """Pictures as `[n, 3, 64, 64]` float32 in -1..1, channels last."""
        return as_tensor(self.pixels[np.asarray(indices)])


def _draw(seeds: range, damaged: float) -> PlainPictures:
    pictures = [sample(seed, damaged=damaged) for seed in seeds]
    return PlainPictures(
        np.stack([p.pixels for p in pictures]),
        tuple(p.scene for p in pictures),
        tuple(p.caption for p in pictures),
        tuple(p.categories for p in pictures),
    )
