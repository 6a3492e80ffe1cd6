"""Likelihood: the log-probs of recorded denoising steps under the present policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from actors.config import SamplerConfig
from actors.diffusion.policy import Policy
from actors.trajectory import JudgedGroup
from learners.maths.objectives import gaussian_kl
from learners.maths.schedule import MicroBatch
from rewards.arrays import Array, BoolArray, Float32Array, IntArray

DEVICE_SHARE = 1 / 16
"""The share of a device's memory that the latents of an update may take all the time."""


def device_memory(device: torch.device) -> int:
    """Bytes of a CUDA device."""
    return torch.cuda.get_device_properties(device).total_memory


@dataclass(frozen=True, slots=True)
class Rollouts:
    """A worker's groups of one update as tensors, on the CPU (the latents perhaps `near`): n samples of S recorded
    steps in index order.

    group  each sample's row of `prompts`
    start  each sample's first recorded step
    lag    updates since each sample's policy version
    weights  M of the latents' parts in a sample's log-probs, of mean 1; None: 1 everywhere
    """

    prompts: tuple[str, ...]
    group: Int[Tensor, " n"]
    start: Int[IntArray, " n"]
    log_probs: Float[Tensor, "n S"]
    latents: Float[Tensor, "n S+1 C h w"]
    advantages: Float[Tensor, " n"]
    lag: Int[Tensor, " n"]
    weights: Float[Tensor, "n 1 h w"] | None = None

    @classmethod
    def of(
        cls,
        groups: Sequence[JudgedGroup],
        advantages: Float[Float32Array, "P k"],
        version: int,
        weights: Float[Float32Array, "n h w"] | None = None,
    ) -> Rollouts:
        """P groups with their advantages, for the update that starts from policy `version`."""
        paths = [g.trajectories for g in groups]
        sizes = [len(p) for p in paths]
        return cls(
            prompts=tuple(p.ticket.prompt for p in paths),
            group=torch.from_numpy(np.repeat(np.arange(len(paths)), sizes)),
            start=np.repeat([p.start for p in paths], sizes),
            latents=torch.from_numpy(np.concatenate([p.latents for p in paths])),
            log_probs=torch.from_numpy(np.concatenate([p.log_probs for p in paths])),
            advantages=torch.from_numpy(advantages.reshape(-1)),
            lag=torch.from_numpy(np.repeat([version - p.version for p in paths], sizes)),
            weights=None if weights is None else torch.from_numpy(weights)[:, None],
        )

    def __len__(self) -> int:
        return len(self.group)

    def near(self, device: torch.device) -> Rollouts:
        """The same, with the latents on `device` if they take little of its memory: then they go there once an update,
        and not in parts with every micro-batch."""
        if device.type != "cuda" or self.latents.nbytes > DEVICE_SHARE * device_memory(device):
            return self
        return replace(self, latents=self.latents.to(device))

    def pairs(self, sample: Int[IntArray, " b"], offset: Int[IntArray, " b"]) -> MicroBatch:
        """Pairs of samples and steps, which are given as their distance from the sample's first recorded one."""
        return MicroBatch(sample, self.start[sample] + offset)

    def behaviour(self, pairs: MicroBatch) -> Float[Tensor, " b"]:
        """The recorded log-probs of the pairs' steps."""
        return self.log_probs[pairs.sample, self._offset(pairs)]

    def before(self, pairs: MicroBatch) -> Float[Tensor, "b C h w"]:
        """The latents that the pairs' steps begin at."""
        return self.latents[pairs.sample, self._offset(pairs)]

    def after(self, pairs: MicroBatch) -> Float[Tensor, "b C h w"]:
        """The latents that the pairs' steps lead to."""
        return self.latents[pairs.sample, self._offset(pairs) + 1]

    def _offset(self, pairs: MicroBatch) -> Int[IntArray, " b"]:
        return pairs.step - self.start[pairs.sample]


class Likelihood:
    """p_θ(x_{t-1} | x_t, c) with the guidance, scheduler and η of the rollouts, through the same transition."""

    def __init__(self, policy: Policy, sampler: SamplerConfig) -> None:
        self.policy = policy
        self.sampler = sampler
        self.transition = policy.transition(sampler)

    @property
    def stochastic(self) -> BoolArray:
        """`[T]`: the steps that have a density."""
        return self.transition.stochastic.cpu().numpy()

    @property
    def timesteps(self) -> Array:
        """`[T]`, descending, as the network takes them."""
        return self.transition.timesteps.cpu().numpy()

    def score(
        self, rollouts: Rollouts, pairs: MicroBatch, network: Callable[..., Any]
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, "b C h w"]]:
        """Log-probs of the pairs' steps, and the network's guided output, both differentiable."""
        x, index = self._at(rollouts, pairs)
        output = self._predict(rollouts, pairs, network)
        x_prev = rollouts.after(pairs).to(x.device)
        return self.transition.step(output, index, x, x_prev=x_prev)[1], output

    def frozen(self, rollouts: Rollouts, pairs: MicroBatch, network: Callable[..., Any]) -> Float[Tensor, " b"]:
        """The log-probs of `score` as constants."""
        with torch.no_grad():
            return self.score(rollouts, pairs, network)[0]

    def credited(self, rollouts: Rollouts, pairs: MicroBatch, output: Float[Tensor, "b C h w"]) -> Float[Tensor, " b"]:
        """The log-probs of `score` with the rollouts' weights on the latents; `output` is `score`'s."""
        assert rollouts.weights is not None
        x, index = self._at(rollouts, pairs)
        x_prev, weights = (t.to(x.device) for t in (rollouts.after(pairs), rollouts.weights[pairs.sample]))
        return self.transition.step(output, index, x, x_prev=x_prev, weights=weights)[1]

    def mean(self, rollouts: Rollouts, pairs: MicroBatch, output: Float[Tensor, "b C h w"]) -> Float[Tensor, "b C h w"]:
        """The means of the pairs' Gaussians; `output` is `score`'s."""
        x, index = self._at(rollouts, pairs)
        return self.transition.mean(output, index, x)

    def kl(
        self, rollouts: Rollouts, pairs: MicroBatch, output: Float[Tensor, "b C h w"], network: Callable[..., Any]
    ) -> Float[Tensor, " b"]:
        """KL from the frozen base policy at the pairs' steps; differentiable in `output`, which is `score`'s."""
        x, index = self._at(rollouts, pairs)
        with torch.no_grad(), self.policy.reference():
            reference = self.transition.mean(self._predict(rollouts, pairs, network), index, x)
        std = self.transition.std[index].view(-1, 1, 1, 1)
        return gaussian_kl(self.transition.mean(output, index, x), reference, std)

    def _at(self, rollouts: Rollouts, pairs: MicroBatch) -> tuple[Tensor, Tensor]:
        x = rollouts.before(pairs).to(self.policy.device)
        return x, torch.from_numpy(pairs.step).to(self.policy.device)

    def _predict(self, rollouts: Rollouts, pairs: MicroBatch, network: Callable[..., Any]) -> Tensor:
        x, index = self._at(rollouts, pairs)
        cond = self.policy.encode([rollouts.prompts[g] for g in rollouts.group[pairs.sample].tolist()])
        uncond = self.policy.encode([self.sampler.negative_prompt])
        timesteps = self.transition.timesteps[index]
        return self.policy.predict(x, timesteps, cond, uncond, self.sampler.guidance, network=network)
