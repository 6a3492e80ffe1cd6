"""What makes a network faster or smaller: it takes effect, and the numbers stay what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.vae import AutoencoderMixin
from tiny import disturb, tiny_flow_pipeline, tiny_pipeline

from actors.config import LoraConfig, PolicyConfig, VaeConfig
from actors.diffusion.acceleration import ATTENTION, accelerate, checkpoint_activations, choose_attention, tile
from actors.diffusion.pipelines.pipeline import Pipeline
from actors.diffusion.pipelines.stable_diffusion import StableDiffusion
from actors.diffusion.pipelines.stable_diffusion_3 import StableDiffusion3
from actors.diffusion.policy import Policy

FAMILIES: dict[str, tuple[type[Pipeline], Callable[[], Any]]] = {
    "unet": (StableDiffusion, tiny_pipeline),
    "flow": (StableDiffusion3, tiny_flow_pipeline),
}


def policy(family: str = "unet", **settings: Any) -> Policy:
    pipeline, tiny = FAMILIES[family]
    made = Policy(pipeline(tiny()), PolicyConfig(model="tiny", lora=LoraConfig(rank=4), **settings))
    disturb(made)
    return made


def output(its: Policy, seed: int = 0) -> torch.Tensor:
    x = torch.randn(2, *its.latent_shape, generator=torch.Generator().manual_seed(seed))
    return its.predict(x, torch.tensor([500, 300]), its.encode(["a red cat", "a dog"]), its.encode([""]), 3.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_activations_are_computed_anew_in_eval_mode_and_gradients_are_equal_bit_for_bit(family: str):
    def gradients(its: Policy) -> tuple[list[torch.Tensor], int]:
        kept: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            loss: Any = output(its).square().mean()
        loss.backward()
        return [cast(torch.Tensor, p.grad) for p in its.trainable()], sum(kept)

    its = policy(family)
    plain, kept = gradients(its)
    for parameter in its.trainable():
        parameter.grad = None
    checkpoint_activations(its.network)
    assert not its.network.training
    anew, fewer = gradients(its)
    assert fewer < 0.6 * kept
    assert all(torch.equal(a, b) for a, b in zip(anew, plain, strict=True))
    assert any(gradient.any() for gradient in plain)


def test_a_network_without_checkpointing_is_refused():
    class Network:
        def enable_gradient_checkpointing(self):
            raise ValueError("no")

    with pytest.raises(ValueError, match=r"^learner\.activation_checkpointing: Network does not have it"):
        checkpoint_activations(Network())


@pytest.mark.parametrize("family", FAMILIES)
def test_one_kernel_of_attention_gives_what_all_give(family: str):
    plain = output(policy(family))
    try:
        accelerate(torch.nn.Identity(), PolicyConfig(model="tiny", attention="math"))
        assert not torch.backends.cuda.flash_sdp_enabled()
        assert torch.backends.cuda.math_sdp_enabled()
        exact = output(policy(family))
    finally:
        for switch in ATTENTION.values():
            getattr(torch.backends.cuda, f"enable_{switch}")(True)
    assert (exact - plain).abs().max() < 1e-5 * plain.abs().max()


def test_one_kernel_is_the_only_one():
    try:
        for kernel in ATTENTION:
            choose_attention(kernel)
            on = [k for k, switch in ATTENTION.items() if getattr(torch.backends.cuda, f"{switch}_enabled")()]
            assert on == [kernel]
    finally:
        for switch in ATTENTION.values():
            getattr(torch.backends.cuda, f"enable_{switch}")(True)


def test_channels_last_changes_where_the_weights_lie_and_not_what_they_give(tmp_path: Path):
    plain, its = policy(), policy(channels_last=True)
    frozen = [p for p in its.network.parameters() if p.dim() == 4 and not p.requires_grad and p.shape[2] > 1]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in frozen)
    assert (output(its) - output(plain)).abs().max() < 1e-5 * output(plain).abs().max()
    assert its.adapter(1).checksum() == plain.adapter(1).checksum()
    its.save_lora(tmp_path)


@pytest.mark.parametrize("how", ["network", "blocks"])
def test_a_compiled_network_gives_what_it_gave_with_and_without_its_adapter(monkeypatch: pytest.MonkeyPatch, how: str):
    compiled: list[str] = []

    def compiling(module: torch.nn.Module) -> None:
        compiled.append(type(module).__name__)
        original(module, backend="aot_eager")

    original: Any = cast(Any, torch.nn.Module).compile
    monkeypatch.setattr(torch.nn.Module, "compile", compiling)
    plain, its = policy(), policy(compile=how)
    assert set(compiled) == ({"UNet2DConditionModel"} if how == "network" else {"BasicTransformerBlock"})
    with torch.no_grad():
        assert (output(its) - output(plain)).abs().max() < 1e-5 * output(plain).abs().max()
        with its.reference(), plain.reference():
            assert (output(its) - output(plain)).abs().max() < 1e-5 * output(plain).abs().max()
    assert its.adapter(1).names == plain.adapter(1).names


def test_blocks_that_diffusers_does_not_name_are_refused():
    with pytest.raises(ValueError, match=r"^policy\.compile: diffusers does not say which blocks of SD3Transformer2D"):
        policy("flow", compile="blocks")


def test_pictures_decoded_one_by_one_are_those_decoded_together():
    plain, its = policy(), policy(vae=VaeConfig(batch=1))
    latents = torch.randn(3, *plain.latent_shape, generator=torch.Generator().manual_seed(1))
    seen: list[int] = []
    inside = its.pipeline.decode

    def counted(latents: torch.Tensor) -> torch.Tensor:
        seen.append(len(latents))
        return inside(latents)

    its.pipeline.decode = counted
    difference = its.decode(latents).astype(int) - plain.decode(latents)
    assert seen == [1, 1, 1]
    assert np.abs(difference).max() <= 1


def test_tiles_are_the_autoencoders_own_and_one_without_is_refused():
    assert policy(vae=VaeConfig(tiling=True)).pipe.vae.use_tiling

    class Whole(AutoencoderMixin):
        pass

    with pytest.raises(ValueError, match=r"^policy\.vae\.tiling: Whole has no tiles; use vae\.batch"):
        tile(Whole(), VaeConfig(tiling=True))
