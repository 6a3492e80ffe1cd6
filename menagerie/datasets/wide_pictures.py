# pyright: strict, reportPrivateImportUsage=false
"""Pictures of the wider world, some as drawn and some as the policy's decoder shows them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
from diffusers import AutoencoderTiny

from menagerie.datasets.artifact_pictures import ArtifactPictures
from menagerie.datasets.plain_pictures import PlainPictures
from menagerie.world.picture import Picture
from menagerie.world.wide import sample_wide
from rewards.arrays import ImageArray


@dataclass(frozen=True, slots=True)
class WidePictures:
    """`pixels` `[n, 64, 64, 3]` uint8, and the picture with its ground truth, or None for garbage."""

    pixels: ImageArray
    pictures: tuple[Picture | None, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def draw(
        cls,
        count: int,
        first: int,
        vae: AutoencoderTiny,
        *,
        damaged: float = 0.5,
        decoded: float = 0.6,
        garbage_share: float = 0.05,
        seed: int = 0,
    ) -> WidePictures:
        """Pictures `first … first + count - 1` of the wider world. A share `decoded` of them goes through the
        autoencoder, as in `ArtifactPictures`, and of these a share `garbage_share` is replaced by garbage."""
        rng = random.Random(seed)
        drawn = [sample_wide(number, damaged=damaged) for number in range(first, first + count)]
        pixels = np.stack([picture.pixels for picture in drawn])
        rows = [i for i in range(count) if rng.random() < decoded]
        chosen = [drawn[i] for i in rows]
        shown = ArtifactPictures.of(
            PlainPictures(
                pixels[rows],
                tuple(p.scene for p in chosen),
                tuple(p.caption for p in chosen),
                tuple(p.categories for p in chosen),
            ),
            vae,
            garbage_share=garbage_share,
            seed=seed,
        )
        pixels[rows] = shown.pixels
        gone = {i for i, scene in zip(rows, shown.scenes, strict=True) if scene is None}
        pictures = (None if i in gone else replace(p, pixels=pixels[i]) for i, p in enumerate(drawn))
        return cls(pixels, tuple(pictures))
