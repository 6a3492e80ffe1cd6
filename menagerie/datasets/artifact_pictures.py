"""Exhibits: what the judges of artifacts are trained and tested on: pictures as the policy's decoder shows them."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderTiny

from menagerie.datasets.album import Album
from menagerie.datasets.pixels import decode, encode
from menagerie.world.garbage import NOISE, garbage, noisy_latents
from menagerie.world.scene import Scene


@dataclass(frozen=True, slots=True)
class Exhibits:
    """`pixels` `[n, 64, 64, 3]` uint8; the categories of each; its scene, or None for garbage."""

    pixels: np.ndarray
    categories: tuple[tuple[str, ...], ...]
    scenes: tuple[Scene | None, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def of(cls, album: Album, vae: AutoencoderTiny, *, rubbish: float = 0.08, seed: int = 0) -> Exhibits:
        """The album's pictures after a round trip through the autoencoder, with small latent errors such as a denoiser
        leaves, and a share `rubbish` of garbage in the place of as many pictures."""
        rng, out = random.Random(seed), np.empty_like(album.pixels)
        generator = torch.Generator().manual_seed(seed)
        categories: list[tuple[str, ...]] = list(album.categories)
        scenes: list[Scene | None] = list(album.scenes)
        for start in range(0, len(album), 250):
            rows = range(start, min(start + 250, len(album)))
            source = album.pixels[start : start + 250].copy()
            fate = [rng.random() for _ in rows]
            for i, f in zip(rows, fate, strict=True):
                if f < rubbish * 0.7:
                    source[i - start], categories[i] = garbage(album.pixels[i], rng)
                    scenes[i] = None
            latents = encode(vae, source)
            spread = torch.rand(len(latents), 1, 1, 1, generator=generator) * 0.35
            latents = latents + spread * torch.randn(latents.shape, generator=generator)
            for i, f in zip(rows, fate, strict=True):
                if rubbish * 0.7 <= f < rubbish:
                    latents[i - start], categories[i], scenes[i] = (
                        noisy_latents(latents[i - start], rng, generator),
                        NOISE,
                        None,
                    )
            out[start : start + 250] = decode(vae, latents)
        return cls(out, tuple(categories), tuple(scenes))
