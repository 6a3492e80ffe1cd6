"""Exhibits: what the judges of artifacts are trained and tested on: pictures as the policy's decoder shows them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny

from menagerie.datasets.album import Album, as_pixels, as_tensor
from menagerie.training.model_folder import run_first
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


@torch.inference_mode()
def encode(vae: Any, pixels: np.ndarray, batch: int = 50) -> torch.Tensor:
    """Scaled latents `[n, C, 8, 8]` float32 of uint8 pixels."""
    with _fast():
        parts = [vae.encode(_last(as_tensor(p))).latents for p in np.split(pixels, range(batch, len(pixels), batch))]
    return torch.cat(parts).float() * vae.config.scaling_factor


@torch.inference_mode()
def decode(vae: Any, latents: torch.Tensor, batch: int = 50) -> np.ndarray:
    """uint8 pixels of scaled latents."""
    with _fast():
        parts = [as_pixels(vae.decode(_last(p / vae.config.scaling_factor)).sample) for p in latents.split(batch)]
    return np.concatenate(parts)


def _fast() -> torch.autocast:
    """Faster than float32 on a CPU; by how little pictures change, `test_judging_material.py` bounds."""
    return torch.autocast("cpu", torch.bfloat16)


def _last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def load_vae(out: Path) -> AutoencoderTiny:
    """The autoencoder, which lies in the policy's folder even before there is a policy."""
    folder = out / "policy" / "vae"
    if not folder.is_dir():
        raise FileNotFoundError(f"no autoencoder in {out}; {run_first('autoencoder', out)}")
    vae = AutoencoderTiny.from_pretrained(folder, torch_dtype=torch.float32).eval().requires_grad_(False)
    return vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
