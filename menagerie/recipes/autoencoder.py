"""The recipe of the policy's autoencoder: an `AutoencoderTiny` with 24 latent channels at an eighth of the size.

The training of the shipped one, on whose latents the policies were trained, was stopped at step 5,200, before the end
of the learning rate's decay; this recipe makes one that is at least as good.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch.nn import functional as F

from menagerie.datasets.plain_pictures import PlainPictures
from menagerie.training.fit import fit
from menagerie.training.model_folder import save_model

LATENT_CHANNELS, WIDTH, BATCH, SEED = 24, 64, 16, 11


def build() -> AutoencoderTiny:
    torch.manual_seed(SEED)
    return AutoencoderTiny(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(WIDTH,) * 4,
        decoder_block_out_channels=(WIDTH,) * 4,
        num_encoder_blocks=(0, 1, 3, 3),
        num_decoder_blocks=(3, 3, 1, 0),
        scaling_factor=1.0,
    )


def edges(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[..., 1:, :] - x[..., :-1, :], x[..., :, 1:] - x[..., :, :-1]


def reconstruction_loss(out: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """L1 on pixels, plus L1 on differences of neighbouring pixels, which keeps outlines and eyes sharp."""
    fine = sum(F.l1_loss(a, b) for a, b in zip(edges(out), edges(x), strict=True))
    return F.l1_loss(out, x) + fine


def train(out: Path, steps: int = 7500, count: int = 30_000, say: Callable[[str], None] = print) -> AutoencoderTiny:
    """Trains on pictures with and without artifacts. A small penalty keeps each latent channel near zero mean and unit
    variance, and noise of 0.1 on the latents makes small errors of a denoiser decode to small errors of the picture.
    Models that were trained on the latents of another autoencoder must be trained again."""
    pictures = PlainPictures.draw(count, damaged=0.6)
    vae: Any = build()
    vae = vae.to(memory_format=torch.channels_last)

    def loss(step: int) -> torch.Tensor:
        x = pictures.batch(np.random.default_rng(step).integers(count, size=BATCH)).contiguous(
            memory_format=torch.channels_last
        )
        with torch.autocast("cpu", torch.bfloat16):
            z = vae.encoder(x)
            noisy = z + 0.1 * torch.randn_like(z)
            y = vae.decoder(noisy)
        z, y = z.float(), y.float()
        centre = z.mean((0, 2, 3)).square().mean() + (z.std((0, 2, 3)) - 1).square().mean()
        return reconstruction_loss(y, x) + 0.01 * centre

    fit(
        vae,
        loss,
        steps=steps,
        lr=1e-3,
        muon=0.008,
        weight_decay=0.0,
        state=out / "training" / "autoencoder.pt",
        say=say,
    )
    vae = vae.to(memory_format=torch.contiguous_format)
    save_model(vae, out / "policy" / "vae")
    if (out / "policy" / "unet").is_dir():
        say(f"policy and flow in {out} were trained on other latents; train them again, too")
    return vae
