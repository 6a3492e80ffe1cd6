"""FLUX.1: a transformer on packed latents, a CLIP and a T5 text encoder, flow matching."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, cast

import torch
from torch import Tensor

from actors.diffusion.pipelines.picture_shape import PictureShape
from actors.diffusion.pipelines.pipeline import Condition, Pipeline
from actors.diffusion.transitions.flow import FlowTransition

LENGTH = 512
"""Tokens of T5, the pipeline's own default."""


class Flux(Pipeline):
    """`FluxPipeline`; a condition is T5's tokens `[n, L, D]` and CLIP's pooled texts `[n, P]`.

    FLUX.1-dev is distilled to take the guidance as an input: one pass a step, and no negative prompt. FLUX.1-schnell
    (`guidance_embeds: false`) is distilled without, and takes none.
    """

    part = "transformer"

    @classmethod
    def load(cls, model: str, resolution: tuple[int, int] | None = None, **options: Any) -> Self:
        from diffusers.pipelines.flux.pipeline_flux import FluxPipeline

        load: Any = cast(Any, FluxPipeline).from_pretrained
        return cls(load(model, **options), resolution)

    @classmethod
    def channels(cls, network: Mapping[str, Any]) -> int:
        return network["in_channels"] // cls.patch(network) ** 2

    @classmethod
    def own_size(cls, network: Mapping[str, Any]) -> tuple[int, int]:
        return 128, 128  # as the pipeline has it: the network's config does not say

    @classmethod
    def patch(cls, network: Mapping[str, Any]) -> int:
        return 2  # packed by the pipeline: to the network, a token is one latent

    @classmethod
    def transition(
        cls,
        schedule: Mapping[str, Any],
        shape: PictureShape,
        steps: int,
        eta: float,
        device: torch.device | str = "cpu",
    ) -> FlowTransition:
        times = [1 - j / steps for j in range(steps)]
        return FlowTransition.from_config(
            schedule, steps, eta, device, unshifted_times=times, image_tokens=shape.tokens
        )

    @classmethod
    def stored_reader(cls, model: str) -> tuple[Any, int]:
        from transformers import AutoTokenizer

        return cast(Any, AutoTokenizer).from_pretrained(model, subfolder="tokenizer_2"), LENGTH

    def encode(self, prompt: str, device: torch.device) -> Condition:
        self.warn_if_cut(self.pipe.tokenizer_2, LENGTH, prompt)
        tokens, pooled, _ = self.pipe.encode_prompt([prompt], None, device, max_sequence_length=LENGTH)
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
        return self.forward(network, x, t, (*cond, torch.full((len(x),), guidance, device=x.device))).float()

    @classmethod
    def passes(cls, guidance: float) -> int:
        return 1

    def forward(self, network: Callable[..., Any], x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """`condition` has the guidance `[n]` as well."""
        tokens, pooled, guidance = condition
        n, c, h, w = x.shape
        packed = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(n, -1, 4 * c)
        output = network(
            packed,
            tokens,
            pooled,
            t.to(x.dtype) / 1000,
            _places(h // 2, w // 2).to(x),
            x.new_zeros(tokens.shape[1], 3),
            guidance if self.network.config.guidance_embeds else None,
            return_dict=False,
        )[0]
        return output.reshape(n, h // 2, w // 2, c, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)

    def scale(self, latents: Tensor) -> Tensor:
        return super().scale(latents - self.pipe.vae.config.shift_factor)

    def unscale(self, latents: Tensor) -> Tensor:
        return super().unscale(latents) + self.pipe.vae.config.shift_factor


def _places(h: int, w: int) -> Tensor:
    """`[h·w, 3]`: 0, row and column of each token."""
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], -1).reshape(-1, 3)
