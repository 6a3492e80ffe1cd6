"""What a clipped ratio compares: how likely one policy makes recorded steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from learners.algorithms.likelihood import Likelihood, Rollouts
from learners.maths.objectives import normalised_log_ratio
from learners.maths.schedule import MicroBatch


@dataclass(frozen=True, slots=True)
class Density:
    """The b pairs of a micro-batch under one policy.

    log_prob  means over latent dimensions
    credited  the same with each latent weighted by the rollouts' M; `log_prob` itself where they have none
    mean      means of the steps' Gaussians, where the ratio is to be normalised
    """

    log_prob: Float[Tensor, " b"]
    credited: Float[Tensor, " b"]
    mean: Float[Tensor, "b C h w"] | None = None

    @classmethod
    def of(
        cls,
        likelihood: Likelihood,
        rollouts: Rollouts,
        pairs: MicroBatch,
        log_prob: Float[Tensor, " b"],
        output: Float[Tensor, "b C h w"],
        *,
        with_mean: bool,
    ) -> Density:
        """The density of the policy whose score of `pairs` is (`log_prob`, `output`)."""
        credited = log_prob if rollouts.weights is None else likelihood.credited(rollouts, pairs, output)
        return cls(log_prob, credited, likelihood.mean(rollouts, pairs, output) if with_mean else None)

    def frozen(self) -> Density:
        """The same numbers as constants."""
        mean = None if self.mean is None else self.mean.detach()
        return replace(self, log_prob=self.log_prob.detach(), credited=self.credited.detach(), mean=mean)

    def log_ratio(
        self, centre: Density, likelihood: Likelihood, rollouts: Rollouts, pairs: MicroBatch
    ) -> Float[Tensor, " b"]:
        """log r of this policy to that of `centre`, normalised where both know their means."""
        if self.mean is None or centre.mean is None:
            return self.credited - centre.credited
        device = self.mean.device
        weights = None if rollouts.weights is None else rollouts.weights[pairs.sample].to(device)
        x_prev = rollouts.after(pairs).to(device)
        return normalised_log_ratio(x_prev, self.mean, centre.mean, likelihood.transition.std[pairs.step], weights)
