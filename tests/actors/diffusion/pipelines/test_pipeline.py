"""The seam for pipeline families: one that packs its latents, embeds its guidance and shifts its times fits into it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from packed_flow import PackedFlow, save_tiny_packed
from tiny import disturb

from actors.config import LoraConfig, PolicyConfig, SamplerConfig
from actors.diffusion.pipelines import registry
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler, draw_noise
from actors.ticket import Ticket

Plain: Any = FluxPipeline
PROMPTS = ["a red cat", "a photo of a dog in the snow"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_packed(tmp_path_factory.mktemp("packed"))


@pytest.fixture(autouse=True)
def _one_line_in_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.KINDS, "FluxPipeline", PackedFlow)


def load(folder: Path) -> Policy:
    """The policy as after some training: no entry of its adapter is zero."""
    policy = Policy.load(PolicyConfig(model=str(folder), lora=LoraConfig(rank=4, alpha=12)), seed=3)
    disturb(policy)
    return policy


def drawn(pipe: Any, latents: torch.Tensor, guidance: float) -> np.ndarray:
    """Pictures 0..255 that the plain pipeline draws from `latents` `[n, C, h, w]`."""
    packed = pipe._pack_latents(latents, *latents.shape)
    pipe.set_progress_bar_config(disable=True)
    size = {"height": 64, "width": 64}
    made = pipe(PROMPTS, num_inference_steps=4, guidance_scale=guidance, latents=packed, output_type="np", **size)
    return (made.images * 255).round().astype(int)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_with_next_to_no_noise_it_draws_what_its_plain_pipeline_draws(folder: Path, guidance: float) -> None:
    policy = Policy.load(PolicyConfig(model=str(folder)))
    ours = Sampler(policy, SamplerConfig(steps=4, eta=1e-5, guidance=guidance)).images(PROMPTS, (7, 8))
    theirs = drawn(Plain.from_pretrained(folder), draw_noise((7, 8), 4, policy.latent_shape)[:, 0], guidance)
    assert theirs.std() > 1
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_plain_diffusers_loads_its_lora_and_draws_the_same(folder: Path, tmp_path: Path) -> None:
    policy = load(folder)
    policy.save_lora(tmp_path)
    pipe = Plain.from_pretrained(folder)
    latents = draw_noise((7, 8), 4, policy.latent_shape)[:, 0]
    base = drawn(pipe, latents, 3.0)
    pipe.load_lora_weights(tmp_path)
    tuned = drawn(pipe, latents, 3.0)
    assert np.abs(tuned - base).max() > 1
    ours = Sampler(policy, SamplerConfig(steps=4, eta=1e-5, guidance=3.0)).images(PROMPTS, (7, 8))
    assert np.abs(ours.astype(int) - tuned).max() <= 1


def test_everybody_else_sees_unpacked_latents_and_one_pass_a_step(folder: Path) -> None:
    policy = load(folder)
    passes: list[torch.Size] = []

    def note(_module: Any, args: Any, _out: Any) -> None:
        passes.append(args[0].shape)

    policy.network.register_forward_hook(note)
    made = Sampler(policy, SamplerConfig(steps=3, guidance=3.0)).sample(Ticket(1, 0, 0, "a cat", (1, 2), 0), version=0)
    assert made.latents.shape == (2, 4, 12, 8, 8)
    assert made.images.shape == (2, 64, 64, 3)
    assert passes == [(2, 16, 48)] * 3
    assert PackedFlow.passes(3.0) == 1


def test_its_times_are_those_of_its_resolution_and_are_known_before_it_is_loaded(folder: Path) -> None:
    loaded = load(folder).transition(SamplerConfig(steps=4, eta=0.7))
    planned = registry.stored_transition(str(folder), 4, 0.7)
    assert torch.equal(planned.timesteps, loaded.timesteps)
    assert torch.equal(planned.std, loaded.std)
    mu = 0.5 + (1.15 - 0.5) * (16 - 4) / (64 - 4)
    shifted = [1000 * np.exp(mu) / (np.exp(mu) + 1 / t - 1) for t in (1, 0.75, 0.5, 0.25)]
    np.testing.assert_allclose(loaded.timesteps, shifted, rtol=1e-6)


def test_a_folder_without_the_networks_config_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    lacking = Path(shutil.copytree(folder, tmp_path / "packed"))
    (lacking / "transformer" / "config.json").unlink()
    with pytest.raises(ValueError, match=r"^policy\.model: .*/transformer/config\.json is not there or does not say"):
        registry.stored_transition(str(lacking), 4, 0.7)
