# pyright: strict
"""The plain sampler: pictures as diffusers itself draws them, with the pipeline's own scheduler and settings."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import diffusers
import numpy as np
import torch

from actors.diffusion.evaluation_settings import PlainSettings
from actors.diffusion.policy import Policy
from actors.not_finite import NotFinite
from rewards.arrays import ImageArray


class PlainSampler:
    """Draws with a policy's pipeline as `pipe(prompt)` does: what people see who load the LoRA and set nothing, or
    only what `settings` says.

    A rollout needs a log-prob of every step, and so a stochastic sampler of few steps; people use the pipeline's own
    scheduler, steps and guidance. What was learnt in the one need not show in the other, so evaluations draw with both.
    """

    def __init__(self, policy: Policy, max_batch: int, settings: PlainSettings | None = None) -> None:
        settings = settings or PlainSettings()
        self._policy, self._max_batch = policy, max_batch
        self._pipe = policy.pipe
        if settings.scheduler is not None:
            self._pipe = copy.copy(policy.pipe)  # the policy's own keeps the scheduler that its transition is made of
            self._pipe.scheduler = getattr(diffusers, settings.scheduler).from_config(policy.pipe.scheduler.config)
        self._told = {
            key: value
            for key, value in (("num_inference_steps", settings.steps), ("guidance_scale", settings.guidance))
            if value is not None
        }
        self._pixels = settings.pixels or policy.pipeline.shape.pixels

    @property
    def settings(self) -> Mapping[str, Any]:
        """The scheduler's class, the steps and the guidance that the pipeline takes, and its resolution where that is
        not what the network was made for."""
        parameters = inspect.signature(type(self._pipe).__call__).parameters
        taken = {key: value.default for key, value in parameters.items()} | self._told
        return {
            "scheduler": type(self._pipe.scheduler).__name__,
            "steps": taken["num_inference_steps"],
            "guidance": taken["guidance_scale"],
            **self._policy.pipeline.unusual_resolution(self._pixels),
        }

    @torch.no_grad()
    def images(self, prompts: Sequence[str], seeds: Sequence[int]) -> ImageArray:
        """Pictures `[n, H, W, 3]` uint8, one for each prompt and its seed, with the adapter that the policy holds.

        A picture's noise comes from its own seed, on the CPU, whoever is drawn with it.
        """
        if len(prompts) != len(seeds):
            raise ValueError(f"{len(prompts)} prompts and {len(seeds)} seeds do not pair")
        height, width = self._pixels
        parts: list[ImageArray] = []
        for i in range(0, len(prompts), self._max_batch):
            with self._policy.computing():
                drawn = self._pipe(
                    list(prompts[i : i + self._max_batch]),
                    height=height,
                    width=width,
                    generator=[torch.Generator().manual_seed(seed) for seed in seeds[i : i + self._max_batch]],
                    output_type="np",
                    **self._told,
                )
            if not np.isfinite(drawn.images).all():
                raise NotFinite(
                    "pictures",
                    f"with the pipeline's own settings; network or autoencoder give NaN or overflow in policy.dtype "
                    f"{self._policy.config.dtype}",
                )
            parts.append((drawn.images * 255).round().astype(np.uint8))
        return np.concatenate(parts)
