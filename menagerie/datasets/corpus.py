"""The corpus: what both policies learn to draw from, as cached latents and captions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderTiny

from menagerie.datasets.album import Album
from menagerie.datasets.pixels import encode

DAMAGED = 0.45
"""The share of training pictures that carry an artifact their caption does not mention, as web data do. A policy
learns to draw them at about this rate, and reinforcement learning has something to remove."""
UNCONDITIONAL = 0.1


@dataclass(frozen=True, slots=True)
class Corpus:
    """`latents` `[n, 24, 8, 8]`; the distinct `captions`, the empty one first; which of them each picture has."""

    latents: torch.Tensor
    captions: tuple[str, ...]
    which: np.ndarray

    @classmethod
    def drawn(cls, vae: AutoencoderTiny, count: int) -> Corpus:
        """`count` pictures as the autoencoder encodes them."""
        album = Album.drawn(count, 10_000_000, damaged=DAMAGED)
        captions = sorted(set(album.captions))
        place = {caption: i + 1 for i, caption in enumerate(captions)}
        which = np.array([place[c] for c in album.captions])
        return cls(encode(vae, album.pixels), ("", *captions), which)

    def batch(self, size: int, rng: np.random.Generator) -> tuple[torch.Tensor, np.ndarray]:
        """`size` latents, and the indices of their captions: the empty one in `UNCONDITIONAL` of the cases."""
        rows = rng.integers(len(self.latents), size=size)
        words = np.where(rng.random(size) < UNCONDITIONAL, 0, self.which[rows])
        return self.latents[rows], words
