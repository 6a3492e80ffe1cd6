# pyright: strict, reportPrivateImportUsage=false
"""Pictures of the wider world with simulated ratings, to train and test the rich-feedback model."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import torch
from diffusers import AutoencoderTiny

from learners.judges.datasets.ratings import consolidate
from menagerie.datasets.pixels import decode, encode
from menagerie.labels.raters import rate
from menagerie.labels.truth import Truth
from menagerie.world.picture import Picture
from menagerie.world.wide import sample_wide
from rewards.arrays import Float32Array, ImageArray

MISALIGNED, DAMAGED = 0.5, 0.59
"""The shares of pictures whose prompt is wrong, and that have an artifact, as in the RichHF data sets that
`salon menagerie draw` writes."""
DECODED = 0.6
"""The share of pictures that go through the policy's decoder."""
BLOCK = 250


@dataclass(frozen=True, slots=True)
class RatedPictures:
    """Pictures, prompts, and the raters' consensus on them (the labels of RichHF-18K).

    pixels      `[n, 64, 64, 3]`
    misaligned  for each word of each prompt, whether it is misaligned
    scores      `[n, 4]` in 0..1, as rated
    maps        `[n, 2, 64, 64]` uint8, where 255 is marked by all raters
    qualities   `[n, 4]`, the true scores, without the raters' noise
    pictures    the drawings with their ground truth
    """

    pixels: ImageArray
    prompts: tuple[str, ...]
    misaligned: tuple[tuple[bool, ...], ...]
    scores: Float32Array
    maps: ImageArray
    qualities: Float32Array
    pictures: tuple[Picture, ...]

    def __len__(self) -> int:
        return len(self.prompts)

    @classmethod
    def draw(cls, count: int, first: int, vae: AutoencoderTiny, raters: int = 3, panel: int = 0) -> RatedPictures:
        """Pictures `first … first + count - 1` of the wider world, each rated by `raters` annotators; `panel` seeds
        their noise."""
        pixels = np.empty((count, 64, 64, 3), np.uint8)
        maps = np.empty((count, 2, 64, 64), np.uint8)
        scores, qualities = np.empty((count, 4), np.float32), np.empty((count, 4), np.float32)
        prompts: list[str] = []
        misaligned: list[tuple[bool, ...]] = []
        pictures: list[Picture] = []
        for i in range(count):
            rng = random.Random(f"rated {first + i}")
            truth = Truth.of(sample_wide(first + i, damaged=DAMAGED), rng, misaligned=MISALIGNED)
            agreed = consolidate(rate(truth, random.Random(f"panel {panel} {first + i}"), raters), 64, 64)
            pixels[i], scores[i], qualities[i] = truth.picture.pixels, agreed.scores, truth.quality.values()
            maps[i] = (np.stack([agreed.artifact_map, agreed.misalignment_map]) * 255).round()
            prompts.append(truth.prompt.text)
            misaligned.append(agreed.misaligned)
            pictures.append(truth.picture)
        rated = cls(pixels, tuple(prompts), tuple(misaligned), scores, maps, qualities, tuple(pictures))
        return replace(rated, pixels=partly_decoded(pixels, vae, first))


def partly_decoded(pixels: ImageArray, vae: AutoencoderTiny, seed: int, share: float = DECODED) -> ImageArray:
    """The pictures, a share of them after a round trip through the autoencoder, with small errors in the latents such
    as a denoiser leaves."""
    shown, generator = pixels.copy(), torch.Generator().manual_seed(seed)
    chosen = np.flatnonzero(torch.rand(len(pixels), generator=generator).numpy() < share)
    for rows in np.split(chosen, range(BLOCK, len(chosen), BLOCK)):
        latents = encode(vae, pixels[rows])
        spread = torch.rand(len(rows), 1, 1, 1, generator=generator) * 0.35
        shown[rows] = decode(vae, latents + spread * torch.randn(latents.shape, generator=generator))
    return shown
