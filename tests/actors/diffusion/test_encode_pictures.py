"""Pictures as clean latents: what the policy's autoencoder decodes again to what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from plain_loop import load_policy

from actors.diffusion import policy as policy_module
from actors.not_finite import NotFinite

Autoencoder: Any = AutoencoderKL


@pytest.fixture(params=["tiny_policy_dir", "tiny_flow_dir"])
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), np.uint8)


def test_latents_are_what_diffusers_itself_makes_of_the_pictures(folder: Path):
    policy = load_policy(folder)
    vae, images = policy.pipe.vae, pictures(3)
    with torch.no_grad():
        pixels = torch.as_tensor(images).permute(0, 3, 1, 2) / 127.5 - 1
        plain = vae.encode(pixels).latents
    expected = (plain - (getattr(vae.config, "shift_factor", None) or 0)) * vae.config.scaling_factor
    latents = policy.encode_pictures(images)
    assert latents.shape == (3, *policy.latent_shape)
    assert torch.allclose(latents, expected, atol=1e-5)


def test_scaling_is_the_inverse_of_unscaling(folder: Path):
    pipeline = load_policy(folder).pipeline
    latents = torch.randn(2, *pipeline.shape.latents)
    assert torch.allclose(pipeline.unscale(pipeline.scale(latents)), latents, atol=1e-6)


def test_of_a_distribution_the_mean_is_taken(folder: Path):
    policy = load_policy(folder)
    policy.pipe.vae = vae = Autoencoder(
        latent_channels=12,
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=8,
        shift_factor=0.1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    ).eval()
    images = pictures(1)
    with torch.no_grad():
        mean = vae.encode(torch.as_tensor(images).permute(0, 3, 1, 2) / 127.5 - 1).latent_dist.mean
    assert torch.allclose(policy.pipeline.unscale(policy.encode_pictures(images)), mean, atol=1e-5)


def test_memory_is_bounded_and_the_parts_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch):
    policy, images = load_policy(folder), pictures(5)
    whole = policy.encode_pictures(images)
    monkeypatch.setattr(policy_module, "ENCODED_PICTURES", 2)
    sizes: list[int] = []
    inside = policy.pipeline.encode_pictures

    def counted(pixels: torch.Tensor) -> torch.Tensor:
        sizes.append(len(pixels))
        return inside(pixels)

    monkeypatch.setattr(policy.pipeline, "encode_pictures", counted)
    assert torch.allclose(policy.encode_pictures(images), whole, atol=1e-5)
    assert sizes == [2, 2, 1]


def test_an_autoencoder_that_gives_no_numbers_is_named(folder: Path):
    policy = load_policy(folder)
    with torch.no_grad():
        next(policy.pipe.vae.encoder.parameters()).fill_(float("nan"))
    with pytest.raises(NotFinite, match="latents of pictures are not finite as the autoencoder makes them"):
        policy.encode_pictures(pictures(1))


def test_a_picture_has_the_size_that_the_policy_draws(folder: Path):
    assert load_policy(folder).picture_size == (64, 64)
