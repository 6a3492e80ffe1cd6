"""FLUX packs its latents, embeds its guidance and shifts its times by the resolution, and nobody else sees that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_loop import load_policy
from tiny import disturb
from tiny_families import FAMILIES, OWN

from actors.config import SamplerConfig
from actors.diffusion.pipelines.flux import Flux
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from actors.ticket import Ticket


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = tmp_path_factory.mktemp("flux")
    return {name: FAMILIES[name].save(made / name) for name in ("flux", "schnell")}


def load(folder: Path, resolution: tuple[int, int] = OWN) -> Policy:
    policy = load_policy(folder, resolution=resolution)
    disturb(policy)
    return policy


def test_everybody_else_sees_unpacked_latents_and_one_pass_a_step(folders: dict[str, Path]) -> None:
    policy = load(folders["flux"])
    passes: list[torch.Size] = []

    def note(_module: Any, args: Any, _out: Any) -> None:
        passes.append(args[0].shape)

    policy.network.register_forward_hook(note)
    made = Sampler(policy, SamplerConfig(steps=3, guidance=3.0)).sample(Ticket(1, 0, 0, "a cat", (1, 2), 0), version=0)
    assert made.latents[:, -1].shape == (2, 12, 8, 8)
    assert made.images.shape == (2, 64, 64, 3)
    assert passes == [(2, 16, 48)] * 3
    assert Flux.passes(3.0) == 1


def test_its_times_are_those_of_its_resolution(folders: dict[str, Path]) -> None:
    for resolution, tokens in ((OWN, 16), ((96, 48), 18)):
        loaded = load(folders["flux"], resolution).transition(SamplerConfig(steps=4, eta=0.7))
        mu = 0.5 + (1.15 - 0.5) * (tokens - 4) / (64 - 4)
        shifted = [1000 * np.exp(mu) / (np.exp(mu) + 1 / t - 1) for t in (1, 0.75, 0.5, 0.25)]
        np.testing.assert_allclose(loaded.timesteps, shifted, rtol=1e-6)


def test_dev_takes_the_guidance_and_schnell_takes_none(folders: dict[str, Path]) -> None:
    for name, heeds in (("flux", True), ("schnell", False)):
        policy = load(folders[name])
        x, t = torch.randn(1, *policy.latent_shape, generator=torch.Generator().manual_seed(0)), torch.tensor([500.0])
        with torch.no_grad():
            weak, strong = (policy.predict(x, t, policy.encode(["a cat"]), None, guidance) for guidance in (1.0, 4.0))
        assert torch.equal(weak, strong) is not heeds


def test_a_condition_is_the_tokens_of_t5_and_the_pooled_text_of_clip(folders: dict[str, Path]) -> None:
    tokens, pooled = load(folders["flux"]).encode(["a cat", "a"])
    assert tokens.shape == (2, 512, 64)
    assert pooled.shape == (2, 32)
