"""The sampler: tickets in, denoising trajectories out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from actors.config import SamplerConfig
from actors.diffusion.evaluation_settings import SampledSettings
from actors.diffusion.policy import Policy
from actors.not_finite import NotFinite
from actors.recording import Recorder, Recording
from actors.ticket import Ticket
from actors.trajectory import Trajectories
from rewards.arrays import Float32Array, ImageArray

_T = TypeVar("_T")


class Sampler:
    """Denoises with a policy, and keeps the steps that `recording` says with their log-probs.

    All noise of a sample (its first latent and every step's) comes from its own seed, on the CPU: not from its index
    in a group, the group's size, the number of actors or the device. A lost trajectory can be made again.
    """

    def __init__(self, policy: Policy, config: SamplerConfig, recorder: Recorder = Recording.whole) -> None:
        self.policy = policy
        self.config = config
        self.transition = policy.transition(config)
        self.recording = recorder(self.transition.stochastic.cpu().numpy())
        still = config.model_copy(update={"eta": 0.0})
        self._outside = policy.transition(still) if self.recording.still_outside else self.transition

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings that decide what a seed's picture of `images` looks like."""
        drawn = self.config.model_dump(include={"steps", "eta", "guidance", "negative_prompt"})
        drawn |= self.policy.pipeline.unusual_resolution(self.policy.pipeline.shape.pixels)
        if self.recording.still_outside:
            return drawn | {"eta": 0.0}
        return drawn if self.config.noise == "sde" else drawn | {"noise": self.config.noise}

    def evaluating(self, settings: SampledSettings) -> Sampler:
        """This sampler with `settings` in place of its own, for `images`."""
        config = settings.over(self.config)
        return self if config == self.config else Sampler(self.policy, config, lambda _: self.recording)

    def sample(self, ticket: Ticket, version: int) -> Trajectories:
        """The trajectories of a ticket's group under the adapter that the policy holds, which is `version`."""
        span = self.recording.span(ticket.index)
        parts = [
            self._denoise([ticket.prompt] * len(seeds), seeds, span)
            for seeds in _chunks(ticket.seeds, self.config.max_batch)
        ]
        latents, log_probs, images = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Trajectories(
            ticket=ticket,
            version=version,
            latents=latents,
            timesteps=self.transition.timesteps.cpu().numpy(),
            log_probs=log_probs,
            images=images,
            start=span.start,
        )

    def images(self, prompts: Sequence[str], seeds: Sequence[int]) -> ImageArray:
        """Pictures `[n, H, W, 3]` uint8, one for each prompt and its seed, by the same noise rule.

        Of a sampler whose steps are deterministic outside of a moving window, every step is: no place is the right one.
        """
        if len(prompts) != len(seeds):
            raise ValueError(f"{len(prompts)} prompts and {len(seeds)} seeds do not pair")
        size, clean = self.config.max_batch, range(len(self.transition), len(self.transition))
        pairs = zip(_chunks(prompts, size), _chunks(seeds, size), strict=True)
        return np.concatenate([self._denoise(some, those, clean)[2] for some, those in pairs])

    @torch.no_grad()
    def _denoise(
        self, prompts: Sequence[str], seeds: Sequence[int], span: range
    ) -> tuple[Float32Array, Float32Array, ImageArray]:
        """The latents `[n, S+1, C, h, w]` and log-probs `[n, S]` of `span`, and the pictures `[n, H, W, 3]`."""
        policy, steps = self.policy, len(self.transition)
        cond = policy.encode(prompts)
        uncond = policy.encode([self.config.negative_prompt])
        noise = draw_noise(seeds, steps, policy.latent_shape).to(policy.device)
        x = noise[:, 0]
        latents: list[Tensor] = [x] if span.start == 0 else []
        log_probs: list[Tensor] = []
        finite: list[Tensor] = []
        for j in range(steps):
            transition = self.transition if j in span else self._outside
            t = transition.timesteps[j].expand(len(x))
            output = policy.predict(x, t, cond, uncond, self.config.guidance)
            x, log_prob = transition.step(output, j, x, noise=noise[:, j + 1])
            finite.append(x.isfinite().flatten(1).all(1) & log_prob.isfinite())
            if span.start <= j + 1 <= span.stop:
                latents.append(x)
            if j in span:
                log_probs.append(log_prob)
        self._check_finite(torch.stack(finite, 1).cpu())
        densities = torch.stack(log_probs, 1).cpu().numpy() if log_probs else np.zeros((len(x), 0), np.float32)
        return torch.stack(latents, 1).cpu().numpy(), densities, policy.decode(x)

    def _check_finite(self, finite: Tensor) -> None:
        """Raises NotFinite, which says from which step on how many pictures went wrong; `finite` is `[n, T]`."""
        if not finite.all():
            first, bad = int((~finite).any(0).nonzero()[0]), int((~finite).any(1).sum())
            raise NotFinite(
                "latents",
                f"from step {first + 1} of {finite.shape[1]} on, in {bad} of {len(finite)} pictures; "
                f"the network or a text encoder gives NaN or overflows in policy.dtype {self.policy.config.dtype}",
            )


def draw_noise(seeds: Sequence[int], steps: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal noise `[n, steps+1, *shape]`: entry 0 is the first latent, entry j+1 belongs to step j."""
    return torch.stack(
        [torch.randn((steps + 1, *shape), generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )


def _chunks(items: Sequence[_T], size: int) -> list[Sequence[_T]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
