"""Stable Diffusion 3 and 3.5: a transformer, two CLIP text encoders and perhaps a T5, flow matching."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor

from actors.diffusion.pipelines.picture_shape import PictureShape
from actors.diffusion.pipelines.pipeline import Condition, Pipeline
from actors.diffusion.pipelines.repeated_token import RepeatedToken
from actors.diffusion.transitions.flow import FlowTransition
from actors.diffusion.transitions.noise_schedule import FLOW

LENGTH = 256
"""Tokens of T5, the pipeline's own default. Without a T5 the pipeline puts as many zeros there."""


class StableDiffusion3(Pipeline):
    """`StableDiffusion3Pipeline`; a condition is the tokens `[n, L, D]` and the pooled texts `[n, P]`.

    Of the zeros that replace a missing T5, one is computed and weighed as all of them (`RepeatedToken`).
    """

    part = "transformer"
    solvers = FLOW

    def __init__(self, pipe: Any, resolution: tuple[int, int] | None = None) -> None:
        super().__init__(pipe, resolution)
        self._has_t5 = pipe.text_encoder_3 is not None
        if not self._has_t5:
            self.network.set_attn_processor(RepeatedToken())

    @classmethod
    def load(cls, model: str, resolution: tuple[int, int] | None = None, **options: Any) -> Self:
        from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import StableDiffusion3Pipeline

        # from_pretrained warns of a text encoder that is left out, unless it is left out by name.
        family = cast(Any, StableDiffusion3Pipeline)
        index = family.load_config(model)
        absent = {part: None for part in ("text_encoder_3", "tokenizer_3") if index.get(part, [None])[0] is None}
        return cls(family.from_pretrained(model, **options, **absent), resolution)

    @classmethod
    def largest(cls, network: Mapping[str, Any]) -> int:
        return network["pos_embed_max_size"] * cls.patch(network)

    @classmethod
    def transition(
        cls,
        schedule: Mapping[str, Any],
        shape: PictureShape,
        steps: int,
        eta: float,
        device: torch.device | str = "cpu",
    ) -> FlowTransition:
        return FlowTransition.from_config(schedule, steps, eta, device, image_tokens=shape.tokens)

    @classmethod
    def stored_reader(cls, model: str) -> tuple[Any, int]:
        from transformers import AutoTokenizer

        t5 = Path(model, "text_encoder_3").is_dir()
        tokenizer: Any = cast(Any, AutoTokenizer).from_pretrained(model, subfolder="tokenizer_3" if t5 else "tokenizer")
        return tokenizer, LENGTH if t5 else tokenizer.model_max_length

    def encode(self, prompt: str, device: torch.device) -> Condition:
        pipe = self.pipe
        if self._has_t5:
            self.warn_if_cut(pipe.tokenizer_3, LENGTH, prompt)
        else:
            self.warn_if_cut(pipe.tokenizer, pipe.tokenizer_max_length, prompt)
        tokens, _, pooled, _ = pipe.encode_prompt(
            prompt=[prompt],
            prompt_2=None,
            prompt_3=None,
            device=device,
            do_classifier_free_guidance=False,
            max_sequence_length=LENGTH if self._has_t5 else 1,
        )
        return tokens, pooled

    def forward(self, network: Callable[..., Any], x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        tokens, pooled = condition
        extra = {} if self._has_t5 else {"joint_attention_kwargs": {"copies": LENGTH}}
        return network(x, tokens, pooled, t, return_dict=False, **extra)[0]

    def scale(self, latents: Tensor) -> Tensor:
        return super().scale(latents - self.pipe.vae.config.shift_factor)

    def unscale(self, latents: Tensor) -> Tensor:
        return super().unscale(latents) + self.pipe.vae.config.shift_factor
