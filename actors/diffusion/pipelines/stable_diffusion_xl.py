"""Stable Diffusion XL: a U-Net that is told the picture's size, two CLIP text encoders, DDIM."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Self, cast

import torch
from torch import Tensor

from actors.diffusion.pipelines.pipeline import Condition
from actors.diffusion.pipelines.stable_diffusion import StableDiffusion


class StableDiffusionXL(StableDiffusion):
    """`StableDiffusionXLPipeline`; a condition is both encoders' tokens `[n, L, D]` and the pooled texts `[n, P]`.

    The U-Net is told that its picture is whole: an original and a target of its own size, cropped at (0, 0), as the
    pipeline tells it by default.
    """

    @classmethod
    def load(cls, model: str, resolution: tuple[int, int] | None = None, **options: Any) -> Self:
        from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

        load: Any = cast(Any, StableDiffusionXLPipeline).from_pretrained
        # A watermark would be in plain pictures only, and only where its package is installed.
        return cls(load(model, **options, add_watermarker=False), resolution)

    def encode(self, prompt: str, device: torch.device) -> Condition:
        """As the pipeline encodes a prompt; the empty one, which stands for no negative prompt, is zeros where the
        pipeline's `force_zeros_for_empty_prompt` says so."""
        self.warn_if_cut(self.pipe.tokenizer, self.pipe.tokenizer.model_max_length, prompt)
        tokens, _, pooled, _ = self.pipe.encode_prompt(prompt, device=device, do_classifier_free_guidance=False)
        if prompt == "" and self.pipe.config.force_zeros_for_empty_prompt:
            return torch.zeros_like(tokens), torch.zeros_like(pooled)
        return tokens, pooled

    def forward(self, network: Callable[..., Any], x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        tokens, pooled = condition
        size = self.shape.pixels
        time_ids = torch.tensor([[*size, 0, 0, *size]], dtype=tokens.dtype, device=x.device).expand(len(x), -1)
        told = {"text_embeds": pooled, "time_ids": time_ids}
        return network(x, t, tokens, added_cond_kwargs=told, return_dict=False)[0]

    def decode(self, latents: Tensor) -> Tensor:
        """In float32 if the autoencoder is in float16 and says that it overflows there (`force_upcast`)."""
        with self._wide():
            return super().decode(latents.to(self.pipe.vae.dtype))

    def encode_pictures(self, pixels: Tensor) -> Tensor:
        """As `decode`."""
        with self._wide():
            return super().encode_pictures(pixels.to(self.pipe.vae.dtype))

    @contextmanager
    def _wide(self) -> Generator[None]:
        """Context manager: the autoencoder in float32 where it would overflow."""
        vae = self.pipe.vae
        if vae.dtype != torch.float16 or not vae.config.force_upcast:
            yield
            return
        vae.to(torch.float32)
        try:
            yield
        finally:
            vae.to(torch.float16)  # as the plain pipeline expects to find it
