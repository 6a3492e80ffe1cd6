"""Pictures as uint8 arrays, as tensors for a network, and as latents of an autoencoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rewards.arrays import ImageArray


def as_tensor(pixels: ImageArray) -> torch.Tensor:
    """uint8 `[n, h, w, 3]` → float32 `[n, 3, h, w]` in -1..1, channels last."""
    return torch.as_tensor(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def as_pixels(images: torch.Tensor) -> ImageArray:
    """float `[n, 3, h, w]` in -1..1 → uint8 `[n, h, w, 3]`."""
    return images.float().add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


@torch.inference_mode()
def encode(vae: Any, pixels: ImageArray, batch: int = 50) -> torch.Tensor:
    """Scaled latents `[n, C, 8, 8]` float32 of uint8 pixels."""
    with _fast():
        parts = [vae.encode(_last(as_tensor(p))).latents for p in np.split(pixels, range(batch, len(pixels), batch))]
    return torch.cat(parts).float() * vae.config.scaling_factor


@torch.inference_mode()
def decode(vae: Any, latents: torch.Tensor, batch: int = 50) -> ImageArray:
    """uint8 pixels of scaled latents."""
    with _fast():
        parts = [
            as_pixels(vae.decode(_last(p / vae.config.scaling_factor)).sample) for p in torch.split(latents, batch)
        ]
    return np.concatenate(parts)


def _fast() -> torch.autocast:
    """Faster than float32 on a CPU; `test_pixels.py` bounds by how much pictures change."""
    return torch.autocast("cpu", torch.bfloat16)


def _last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last)
