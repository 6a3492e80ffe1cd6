# pyright: strict
"""The plain sampler: pictures as diffusers itself draws them, with the pipeline's own scheduler and settings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from actors.diffusion.policy import Policy
from actors.not_finite import NotFinite
from rewards.arrays import ImageArray


class PlainSampler:
    """Draws with a policy's pipeline as `pipe(prompt)` does: what people see who load the LoRA and set nothing.

    A rollout needs a log-prob of every step, and so a stochastic sampler of few steps; people use the pipeline's own
    scheduler, steps and guidance. What was learnt in the one need not show in the other, so evaluations draw with both.
    """

    def __init__(self, policy: Policy, max_batch: int) -> None:
        self._policy, self._max_batch = policy, max_batch

    @property
    def settings(self) -> Mapping[str, Any]:
        """The scheduler's class, and the steps and the guidance that the pipeline takes when it is told nothing."""
        defaults = inspect.signature(type(self._policy.pipe).__call__).parameters
        return {
            "scheduler": type(self._policy.pipe.scheduler).__name__,
            "steps": defaults["num_inference_steps"].default,
            "guidance": defaults["guidance_scale"].default,
        }

    @torch.no_grad()
    def images(self, prompts: Sequence[str], seeds: Sequence[int]) -> ImageArray:
        """Pictures `[n, H, W, 3]` uint8, one for each prompt and its seed, with the adapter that the policy holds.

        A picture's noise comes from its own seed, on the CPU, whoever is drawn with it.
        """
        if len(prompts) != len(seeds):
            raise ValueError(f"{len(prompts)} prompts and {len(seeds)} seeds do not pair")
        parts: list[ImageArray] = []
        for i in range(0, len(prompts), self._max_batch):
            drawn = self._policy.pipe(
                list(prompts[i : i + self._max_batch]),
                generator=[torch.Generator().manual_seed(seed) for seed in seeds[i : i + self._max_batch]],
                output_type="np",
            )
            if not np.isfinite(drawn.images).all():
                raise NotFinite(
                    "pictures",
                    f"with the pipeline's own settings; network or autoencoder give NaN or overflow in policy.dtype "
                    f"{self._policy.config.dtype}",
                )
            parts.append((drawn.images * 255).round().astype(np.uint8))
        return np.concatenate(parts)
