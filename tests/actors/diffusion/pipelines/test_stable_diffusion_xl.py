"""What is Stable Diffusion XL's own: it is told its picture's size, and its autoencoder overflows in half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import load_policy
from tiny_families import FAMILIES, LIBRARY, OTHER, tiny_xl_pipeline

from actors.diffusion.plain_sampler import PlainSampler
from actors.diffusion.policy import Policy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES["xl"].save(tmp_path_factory.mktemp("xl") / "model")


def test_the_network_is_told_that_its_picture_is_whole_and_how_large_it_is(folder: Path) -> None:
    policy = load_policy(folder, resolution=OTHER)
    told: list[Any] = []

    def note(_module: Any, _args: Any, named: Any) -> None:
        told.append(named["added_cond_kwargs"]["time_ids"])

    policy.network.register_forward_pre_hook(note, with_kwargs=True)
    x, t = torch.zeros(2, *policy.latent_shape), torch.tensor([1, 1])
    policy.predict(x, t, policy.encode(["a cat", "a dog"]), policy.encode([""]), guidance=2.0)
    assert [ids.tolist() for ids in told] == [[[96, 48, 0, 0, 96, 48]] * 4]


@pytest.mark.parametrize("zeros", [True, False])
def test_no_negative_prompt_is_zeros_where_the_pipeline_says_so(tmp_path: Path, zeros: bool) -> None:
    pipe = tiny_xl_pipeline()
    pipe.register_to_config(force_zeros_for_empty_prompt=zeros)
    pipe.save_pretrained(tmp_path)
    policy = load_policy(tmp_path)
    _, tokens, _, pooled = policy.pipe.encode_prompt("a cat")
    assert all(torch.equal(*pair) for pair in zip(policy.encode([""]), (tokens, pooled), strict=True))
    assert bool((tokens == 0).all()) is zeros


@pytest.mark.parametrize(
    ("dtype", "upcast", "used"),
    [
        ("float16", True, torch.float32),
        ("float16", False, torch.float16),
        ("bfloat16", True, torch.bfloat16),
    ],
)
def test_the_autoencoder_draws_in_float32_where_it_says_that_it_overflows(
    tmp_path: Path, dtype: Any, upcast: bool, used: torch.dtype
) -> None:
    pipe = tiny_xl_pipeline()
    pipe.vae = LIBRARY.AutoencoderKL(
        latent_channels=12,
        block_out_channels=(8,) * 4,
        norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        force_upcast=upcast,
    )
    pipe.save_pretrained(tmp_path)
    policy: Policy = load_policy(tmp_path, dtype=dtype)
    decoded: list[torch.dtype] = []

    def note(_module: Any, args: Any) -> None:
        decoded.append(args[0].dtype)

    policy.pipe.vae.decoder.register_forward_pre_hook(note)
    latents = torch.randn(1, *policy.latent_shape, generator=torch.Generator().manual_seed(0))
    assert policy.decode(latents).shape == (1, 64, 64, 3)
    assert decoded == [used]
    assert policy.pipe.vae.dtype == getattr(torch, dtype)


def test_a_plain_picture_has_no_watermark_and_the_resolution_of_the_policy(folder: Path) -> None:
    policy = load_policy(folder, resolution=OTHER)
    assert policy.pipe.watermark is None
    plain = PlainSampler(policy, max_batch=1)
    assert plain.images(["a cat"], [3]).shape == (1, *OTHER, 3)
    pipe = LIBRARY.DiffusionPipeline.from_pretrained(folder, add_watermarker=False)
    size = {"height": OTHER[0], "width": OTHER[1], "output_type": "np"}
    expected = pipe("a cat", generator=[torch.Generator().manual_seed(3)], **size).images
    assert np.abs(plain.images(["a cat"], [3]).astype(int) - (expected * 255).round().astype(int)).max() <= 1
