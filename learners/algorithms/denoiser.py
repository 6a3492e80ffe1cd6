"""The denoiser: what the policy says of noised clean latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from actors.diffusion.policy import Policy
from actors.trajectory import JudgedGroup
from learners.maths.forward_noise import draw_noise
from learners.maths.schedule import MicroBatch
from learners.settings import TrainingSpec
from rewards.arrays import Float32Array, IntArray


@dataclass(frozen=True, slots=True)
class CleanExamples:
    """What a worker learns from in one update, on the CPU: n examples of p pictures of one prompt each.

    p is 1, or 2 where an example is a better and a worse picture, in that order.

    prompts  n texts
    latents  clean latents, as the policy's autoencoder scales them
    index    of the group, or of the row of a data set, that an example comes from
    place    the place of an example in its group; with `index`, what its noise is a function of
    weights  what an example counts beside the others; 0: it is not trained, and its latents may be anything finite
    merit    what the algorithm made of its reward, for its objective
    lag      updates since the policy version that drew it; 0 where none did
    """

    prompts: Sequence[str]
    latents: Float[Tensor, "n p C h w"]
    index: Int[IntArray, " n"]
    place: Int[IntArray, " n"]
    weights: Float[Tensor, " n"]
    merit: Float[Tensor, " n"]
    lag: Int[IntArray, " n"]

    @classmethod
    def of_groups(
        cls,
        groups: Sequence[JudgedGroup],
        chosen: Int[IntArray, "P e p"],
        version: int,
        weights: Float[Float32Array, "P e"],
        merit: Float[Float32Array, "P e"] | None = None,
    ) -> CleanExamples:
        """Of each of P groups e examples of p samples each, as `chosen`, for the update that starts from `version`."""
        paths = [group.trajectories for group in groups]
        each = chosen.shape[1]
        picked = [path.latents[rows, -1] for path, rows in zip(paths, chosen, strict=True)]
        return cls(
            prompts=[path.ticket.prompt for path in paths for _ in range(each)],
            latents=torch.from_numpy(np.concatenate(picked)),
            index=np.repeat([path.ticket.index for path in paths], each),
            place=np.tile(np.arange(each), len(paths)),
            weights=torch.from_numpy(weights.reshape(-1)),
            merit=torch.from_numpy((weights if merit is None else merit).reshape(-1)),
            lag=np.repeat([version - path.version for path in paths], each),
        )

    @classmethod
    def of_samples(
        cls,
        groups: Sequence[JudgedGroup],
        version: int,
        weights: Float[Float32Array, "P k"],
        merit: Float[Float32Array, "P k"] | None = None,
    ) -> CleanExamples:
        """Every sample of P groups as an example of its own."""
        samples: IntArray = np.arange(weights.shape[1], dtype=np.int64)
        chosen = np.broadcast_to(samples[None, :, None], (len(groups), len(samples), 1))
        return cls.of_groups(groups, chosen, version, weights, merit)

    @classmethod
    def of_rows(
        cls, prompts: Sequence[str], latents: Float[Tensor, "n p C h w"], indices: Sequence[int]
    ) -> CleanExamples:
        """An example of each of n rows of a data set, `indices` in the run."""
        n = len(prompts)
        return cls(
            prompts=prompts,
            latents=latents,
            index=np.array(indices, np.int64),
            place=np.zeros(n, np.int64),
            weights=torch.ones(n),
            merit=torch.ones(n),
            lag=np.zeros(n, np.int64),
        )

    def __len__(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True, slots=True)
class Noised:
    """b examples of p pictures, each example at one noise level and with one noise: p · b rows, the better pictures
    before the worse, on the policy's device."""

    prompts: list[str]
    clean: Float[Tensor, "rows C h w"]
    x: Float[Tensor, "rows C h w"]
    target: Float[Tensor, "rows C h w"]
    level: Int[Tensor, " rows"]


@dataclass(frozen=True, slots=True)
class Passed:
    """A micro-batch after its pass through the network.

    output     of the network, differentiable
    error      ‖output - target‖² of each row, the mean over latent dimensions, differentiable
    reference  the base policy's output, a constant; None if it is not needed
    centre     what `ForwardProcessLearner.centres` gave for it
    merit      of the examples, on the policy's device
    """

    noised: Noised
    output: Float[Tensor, "rows C h w"]
    error: Float[Tensor, " rows"]
    reference: Float[Tensor, "rows C h w"] | None
    centre: Float[Tensor, "rows C h w"] | None
    merit: Float[Tensor, " b"]


class Denoiser:
    """The policy's prediction for noised latents, conditional alone: with guidance 1 it is one pass."""

    def __init__(self, policy: Policy, spec: TrainingSpec, guidance: float) -> None:
        self.policy, self._guidance = policy, guidance
        self._seed, self._negative_prompt = spec.seed, spec.sampler.negative_prompt
        self.process = policy.forward_process()
        steps = policy.transition(spec.sampler).timesteps
        self.sampler_levels: IntArray = self.process.nearest(steps).cpu().numpy()

    def noised(
        self, examples: CleanExamples, pairs: MicroBatch, levels: Int[IntArray, "n K"], version: int, epoch: int
    ) -> Noised:
        """The `pairs` (example, draw), at `levels`."""
        rows, draws, device = pairs.sample, pairs.step, self.policy.device
        keys = [
            (self._seed, version, epoch, int(examples.index[row]), int(examples.place[row]), int(draw))
            for row, draw in zip(rows, draws, strict=True)
        ]
        pictures = examples.latents.shape[1]
        clean = examples.latents[rows].transpose(0, 1).flatten(0, 1).to(device)
        noise = draw_noise(keys, tuple(examples.latents.shape[2:])).repeat(pictures, 1, 1, 1).to(device)
        level = torch.from_numpy(levels[rows, draws]).repeat(pictures).to(device)
        return Noised(
            prompts=[examples.prompts[int(row)] for row in rows] * pictures,
            clean=clean,
            x=self.process.noised(clean, noise, level),
            target=self.process.target(clean, noise, level),
            level=level,
        )

    def predict(self, noised: Noised, network: Callable[..., Any]) -> Float[Tensor, "rows C h w"]:
        """The network's output, float32 and differentiable."""
        policy = self.policy
        cond = policy.encode(noised.prompts)
        uncond = None if self._guidance == 1 else policy.encode([self._negative_prompt])
        timesteps = self.process.timesteps[noised.level]
        return policy.predict(noised.x, timesteps, cond, uncond, self._guidance, network=network)

    def frozen(self, noised: Noised, network: Callable[..., Any]) -> Float[Tensor, "rows C h w"]:
        """The output of `predict` as a constant."""
        with torch.no_grad():
            return self.predict(noised, network)

    def reference(self, noised: Noised, network: Callable[..., Any]) -> Float[Tensor, "rows C h w"]:
        """What the frozen base policy says, as a constant."""
        with self.policy.reference():
            return self.frozen(noised, network)
