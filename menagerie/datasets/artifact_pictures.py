# pyright: strict, reportPrivateImportUsage=false
"""Pictures labelled with their artifacts, as the policy's decoder shows them, to train and test judges of artifacts."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderTiny

from menagerie.datasets.pixels import decode, encode
from menagerie.datasets.plain_pictures import PlainPictures
from menagerie.world.garbage import NOISE, garbage
from menagerie.world.scene import Scene
from rewards.arrays import ImageArray


@dataclass(frozen=True, slots=True)
class ArtifactPictures:
    """`pixels` `[n, 64, 64, 3]` uint8, each picture's categories of artifacts, and its scene, or None for garbage."""

    pixels: ImageArray
    categories: tuple[tuple[str, ...], ...]
    scenes: tuple[Scene | None, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def of(
        cls, drawn: PlainPictures, vae: AutoencoderTiny, *, garbage_share: float = 0.08, seed: int = 0
    ) -> ArtifactPictures:
        """The drawn pictures after a round trip through the autoencoder, with small errors in the latents such as a
        denoiser leaves. A share `garbage_share` of them is replaced by garbage."""
        rng, out = random.Random(seed), np.empty_like(drawn.pixels)
        generator = torch.Generator().manual_seed(seed)
        categories: list[tuple[str, ...]] = list(drawn.categories)
        scenes: list[Scene | None] = list(drawn.scenes)
        for start in range(0, len(drawn), 250):
            rows = range(start, min(start + 250, len(drawn)))
            source = drawn.pixels[start : start + 250].copy()
            fate = [rng.random() for _ in rows]
            for i, f in zip(rows, fate, strict=True):
                if f < garbage_share * 0.7:
                    source[i - start], categories[i] = garbage(drawn.pixels[i], rng)
                    scenes[i] = None
            latents = encode(vae, source)
            spread = torch.rand(len(latents), 1, 1, 1, generator=generator) * 0.35
            latents = latents + spread * torch.randn(latents.shape, generator=generator)
            for i, f in zip(rows, fate, strict=True):
                if garbage_share * 0.7 <= f < garbage_share:
                    latents[i - start], categories[i], scenes[i] = (
                        noisy_latents(latents[i - start], rng, generator),
                        NOISE,
                        None,
                    )
            out[start : start + 250] = decode(vae, latents)
        return cls(out, tuple(categories), tuple(scenes))


def noisy_latents(latents: torch.Tensor, rng: random.Random, generator: torch.Generator) -> torch.Tensor:
    """Latents `[C, h, w]` that are mostly noise, coarse or fine, as after a failed sampling."""
    noise = torch.randn(latents.shape, generator=generator)
    if rng.random() < 0.5:
        coarse = torch.nn.functional.avg_pool2d(noise[None], 2) * 2
        noise = torch.nn.functional.interpolate(coarse, scale_factor=2)[0]
    share = rng.uniform(0.0, 0.3)
    return share**0.5 * latents + (1 - share) ** 0.5 * noise * rng.uniform(0.7, 1.6)
