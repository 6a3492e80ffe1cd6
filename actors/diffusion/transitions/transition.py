"""One denoising step as a Gaussian, with its log-prob: the same function for the actor and for the learner."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

# A step with less noise than this (in units of the latents, which have a standard deviation near 1) is deterministic.
# Where a schedule ends in ᾱ = 1 or at t = 0 the last step has σ = 0 exactly and a log-prob of NaN; the smallest real
# σ of Stable Diffusion's own schedule (steps_offset 1) at η = 1 is 0.0206.
DETERMINISTIC_BELOW = 1e-4


class Transition:
    """p(x_{t-1} | x_t, c) = N(a_j x_t + b_j f(x_t, t, c), σ_j² I) for step j of T.

    f is the network's output, already combined by guidance. The mean is linear in x_t and f, both in DDIM and in the
    SDE of a flow, so a step is three numbers, computed once in float64.

    A *deterministic* step (`stochastic[j]` is False; in practice only ever the last one) is no action: it adds no
    noise, its log-prob is 0 and it carries no gradient. A floor under σ instead would invent noise that the sampler
    of the base model does not make, and give that step a gradient of 1/floor, larger than all the others together.

    timesteps         `[T]` as the network takes them, descending: int64 of a diffusion, float32 of a flow
    stochastic        `[T]` bool
    std               `[T]` float32, σ_j
    scheduler         diffusers' scheduler of which this is the stochastic form
    in_words          what the sampler is called
    """

    scheduler: ClassVar[str]
    in_words: ClassVar[str]

    def __init__(
        self,
        timesteps: Num[Tensor, " T"],
        a: Float[Tensor, " T"],
        b: Float[Tensor, " T"],
        sigma: Float[Tensor, " T"],
        device: torch.device | str = "cpu",
    ) -> None:
        """`a`, `b` and `sigma` are float64."""
        stochastic = sigma >= DETERMINISTIC_BELOW
        sigma = torch.where(stochastic, sigma, torch.zeros_like(sigma))
        self.timesteps = timesteps.to(device)
        self.stochastic = stochastic.to(device)
        self.std = sigma.to(device, torch.float32)
        self._a = a.to(device, torch.float32)
        self._b = b.to(device, torch.float32)

    def __len__(self) -> int:
        return len(self.timesteps)

    def with_noise(self, kind: str) -> Transition:
        """The same steps with noise of `kind` (`sampler.noise`); raises ValueError if there is no such noise here."""
        if kind != "sde":
            raise ValueError(
                f"sampler.noise: {kind} is a noise of flow matching, and this policy draws with {self.in_words}, which "
                "preserves its coefficients as it is; leave it at sde"
            )
        return self

    def mean(
        self, model_output: Float[Tensor, " n *latent"], index: int | Int[Tensor, " n"], x: Float[Tensor, " n *latent"]
    ) -> Float[Tensor, " n *latent"]:
        """The mean of x_{t-1}, float32, differentiable in `model_output`."""
        return _wide(self._a[index], x) * x.float() + _wide(self._b[index], x) * model_output.float()

    def step(
        self,
        model_output: Float[Tensor, " n *latent"],
        index: int | Int[Tensor, " n"],
        x: Float[Tensor, " n *latent"],
        *,
        noise: Float[Tensor, " n *latent"] | None = None,
        x_prev: Float[Tensor, " n *latent"] | None = None,
        weights: Tensor | None = None,
    ) -> tuple[Float[Tensor, " n *latent"], Float[Tensor, " n"]]:
        """One step from `x`, which is x_t: (x_{t-1}, its log-prob), both float32.

        To sample, an actor passes standard normal `noise`; to score, the learner passes the `x_prev` that came of it,
        and the log-prob is that of the present policy. `index` is the step, one for all or one each.

        The log-prob is the *mean* over latent dimensions (so clip ranges are near 1e-4), each weighted by `weights`,
        which broadcasts over them, if there are any. x_{t-1} is a constant:
        the gradient flows through the mean only.
        """
        if (noise is None) == (x_prev is None):
            raise ValueError("a step needs either noise (to sample) or x_prev (to score), and not both")
        mean = self.mean(model_output, index, x)
        std = _wide(self.std[index], x)
        if x_prev is None:
            assert noise is not None
            x_prev = mean + std * noise.float()
        x_prev = x_prev.detach().float()
        stochastic = _wide(self.stochastic[index], x)
        scale = torch.where(stochastic, std, torch.ones_like(std))
        density = -((x_prev - mean) ** 2) / (2 * scale**2) - scale.log() - 0.5 * math.log(2 * math.pi)
        density = torch.where(stochastic, density, torch.zeros_like(density))
        weighted = density if weights is None else weights * density
        return x_prev, weighted.flatten(1).mean(1)


def _wide(numbers: Tensor, like: Tensor) -> Tensor:
    """A scalar or `[n]`, shaped to broadcast over `like` `[n, ...]`."""
    return numbers.reshape(-1, *(1,) * (like.ndim - 1))
