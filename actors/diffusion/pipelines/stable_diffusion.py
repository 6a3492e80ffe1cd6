"""Stable Diffusion 1 and 2: a U-Net, one CLIP text encoder, DDIM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, cast

import torch
from torch import Tensor

from actors.diffusion.pipelines.picture_shape import PictureShape
from actors.diffusion.pipelines.pipeline import Condition, Pipeline
from actors.diffusion.transitions.ddim import DDIMTransition
from actors.diffusion.transitions.noise_schedule import DIFFUSION


class StableDiffusion(Pipeline):
    """`StableDiffusionPipeline`; a condition is the tokens `[n, L, D]`."""

    part = "unet"
    solvers = DIFFUSION

    @classmethod
    def load(cls, model: str, resolution: tuple[int, int] | None = None, **options: Any) -> Self:
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

        load: Any = cast(Any, StableDiffusionPipeline).from_pretrained
        return cls(load(model, **options, safety_checker=None, requires_safety_checker=False), resolution)

    @classmethod
    def transition(
        cls,
        schedule: Mapping[str, Any],
        shape: PictureShape,
        steps: int,
        eta: float,
        device: torch.device | str = "cpu",
    ) -> DDIMTransition:
        return DDIMTransition.from_config(schedule, steps, eta, device)

    @classmethod
    def stored_reader(cls, model: str) -> tuple[Any, int]:
        from transformers import AutoTokenizer

        tokenizer: Any = cast(Any, AutoTokenizer).from_pretrained(model, subfolder="tokenizer")
        return tokenizer, tokenizer.model_max_length

    def encode(self, prompt: str, device: torch.device) -> Condition:
        self.warn_if_cut(self.pipe.tokenizer, self.pipe.tokenizer.model_max_length, prompt)
        return (self.pipe.encode_prompt([prompt], device, 1, False)[0],)

    def forward(self, network: Callable[..., Any], x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return network(x, t, *condition, return_dict=False)[0]
