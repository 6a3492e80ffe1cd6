# pyright: strict, reportPrivateImportUsage=false
"""Latents with captions, which both policies are trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderTiny

from menagerie.datasets.pixels import encode
from menagerie.datasets.plain_pictures import PlainPictures
from rewards.arrays import IntArray

DAMAGED = 0.45
"""The share of training pictures with an artifact that their caption does not mention, as in data from the web. The
policy learns to draw artifacts at about this rate, and reinforcement learning has something to remove."""
UNCONDITIONAL = 0.1
"""The share of pictures in a batch whose caption is empty, for classifier-free guidance."""


@dataclass(frozen=True, slots=True)
class CaptionedLatents:
    """`latents` `[n, 24, 8, 8]`, the distinct `captions`, the empty one first, and each picture's caption index."""

    latents: torch.Tensor
    captions: tuple[str, ...]
    which: IntArray

    @classmethod
    def draw(cls, vae: AutoencoderTiny, count: int) -> CaptionedLatents:
        """`count` pictures, encoded by the autoencoder."""
        pictures = PlainPictures.draw(count, 10_000_000, damaged=DAMAGED)
        captions = sorted(set(pictures.captions))
        index = {caption: i + 1 for i, caption in enumerate(captions)}
        which = np.array([index[c] for c in pictures.captions])
        return cls(encode(vae, pictures.pixels), ("", *captions), which)

    def batch(self, size: int, rng: np.random.Generator) -> tuple[torch.Tensor, IntArray]:
        """`size` random latents, and the indices of their captions, a share `UNCONDITIONAL` of them the empty one's."""
        rows = rng.integers(len(self.latents), size=size)
        words = np.where(rng.random(size) < UNCONDITIONAL, 0, self.which[rows])
        return self.latents[rows], words
