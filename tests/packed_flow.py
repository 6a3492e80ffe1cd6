"""A pipeline family that the registry lacks, with all that Salon's own two do not need: packed latents, guidance as an
input of the network, and times that depend on the resolution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from tiny import tiny_flow_pipeline, tiny_pipeline
from torch import Tensor

from actors.diffusion.pipelines.pipeline import Condition, Pipeline
from actors.diffusion.transitions.flow import FlowTransition

LATENTS = (12, 8, 8)


class PackedFlow(Pipeline):
    """`FluxPipeline` at 64×64; a condition is the tokens `[n, L, D]` and the pooled texts `[n, P]`."""

    part = "transformer"

    @classmethod
    def load(cls, model: str, **options: Any) -> Self:
        from diffusers import FluxPipeline

        return cls(FluxPipeline.from_pretrained(model, **options))

    @classmethod
    def latent_shape_of(cls, network: Mapping[str, Any]) -> tuple[int, int, int]:
        return network["in_channels"] // 4, *LATENTS[1:]

    @classmethod
    def transition(
        cls,
        schedule: Mapping[str, Any],
        network: Mapping[str, Any],
        steps: int,
        eta: float,
        device: torch.device | str = "cpu",
    ) -> FlowTransition:
        _, h, w = cls.latent_shape_of(network)
        times = [1 - j / steps for j in range(steps)]
        return FlowTransition.from_config(schedule, steps, eta, device, unshifted_times=times, image_tokens=h * w // 4)

    def encode(self, prompt: str, device: torch.device) -> Condition:
        tokens, pooled, _ = self.pipe.encode_prompt([prompt], None, device)
        return tokens, pooled

    def predict(
        self,
        network: Callable[..., Any],
        x: Tensor,
        t: Tensor,
        cond: Condition,
        uncond: Condition | None,
        guidance: float,
    ) -> Tensor:
        return self.forward(network, x, t, (*cond, t.new_full((len(x),), guidance))).float()

    @classmethod
    def passes(cls, guidance: float) -> int:
        return 1

    def forward(self, network: Callable[..., Any], x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        tokens, pooled, guidance = condition
        n, c, h, w = x.shape
        patches = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(n, -1, 4 * c)
        text_places, places = x.new_zeros(tokens.shape[1], 3), _grid(h // 2, w // 2).to(x)
        output = network(patches, tokens, pooled, t / 1000, places, text_places, guidance, return_dict=False)[0]
        return output.reshape(n, h // 2, w // 2, c, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)

    def unscale(self, latents: Tensor) -> Tensor:
        return super().unscale(latents) + self.pipe.vae.config.shift_factor


def _grid(h: int, w: int) -> Tensor:
    """`[h·w, 3]`: 0, row and column of each token."""
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], -1).reshape(-1, 3)


def tiny_packed_pipeline(seed: int = 0):
    """A FLUX pipeline with the text encoders and the autoencoder of the other tiny pipelines."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    other = tiny_flow_pipeline(seed, t5=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = FluxTransformer2DModel(
            in_channels=48,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=64,
            pooled_projection_dim=32,
            guidance_embeds=True,
            axes_dims_rope=(4, 6, 6),
        )
    return FluxPipeline(
        FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_image_seq_len=4, max_image_seq_len=64),
        other.vae,
        tiny_pipeline(seed).text_encoder,
        other.tokenizer,
        other.text_encoder_3,
        other.tokenizer_3,
        transformer,
    )


def save_tiny_packed(folder: Path | str, seed: int = 0) -> Path:
    """Saves `tiny_packed_pipeline` in `from_pretrained` layout and returns the folder."""
    tiny_packed_pipeline(seed).save_pretrained(folder)
    return Path(folder)
