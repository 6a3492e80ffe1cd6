# pyright: strict
"""RWR: every picture is trained as in pretraining, and counts by the exponential of its advantage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from actors.trajectory import JudgedGroup
from learners.algorithms.algorithm import StatisticsChart
from learners.algorithms.forward_process import ERRORS, ForwardProcessConfig, ForwardProcessLearner
from learners.maths.advantage_estimator import AdvantageConfig
from learners.settings import Positive, TrainingSpec

if TYPE_CHECKING:  # settings are read without torch
    from torch import Tensor

    from actors.diffusion.policy import Policy
    from learners.algorithms.denoiser import CleanExamples, Passed


class RWRConfig(ForwardProcessConfig):
    """Reward-weighted regression (DDPO, arXiv 2305.13301, section 4.2) on the policy's own pictures."""

    charts: ClassVar = (
        StatisticsChart("Largest weight", ("weight/max",), note="The mean is 1."),
        StatisticsChart("Share of the pictures that count", ("weight/ess",), "%", "Effective, by their weights."),
        ERRORS,
    )

    kind: Literal["rwr"] = "rwr"
    advantage: AdvantageConfig = AdvantageConfig(kind="group")

    beta: Positive = 1.0
    """temperature β of the weights exp(A / β): the smaller, the more the best pictures count"""

    def learner(self, policy: Policy, spec: TrainingSpec) -> RWRLearner:
        return RWRLearner(policy, spec, self)

    def problems(self, spec: TrainingSpec) -> Iterator[str]:
        yield from super().problems(spec)
        yield from self.advantage.problems(spec)

    @property
    def compared_by(self) -> AdvantageConfig:
        return self.advantage


class RWRLearner(ForwardProcessLearner[RWRConfig]):
    """Descends w ‖f_θ(x_t, t, c) - f‖², the loss of pretraining, with w = exp(A / β) over its mean in the batch."""

    def examples(self, batch: Sequence[JudgedGroup], stats: dict[str, float]) -> CleanExamples:
        from learners.algorithms.denoiser import CleanExamples
        from learners.maths.advantages import exponential_weights

        advantages = self.advantages(batch, stats)
        every = exponential_weights(np.concatenate(self.engine.gather(advantages.reshape(-1))), self.config.beta)
        stats["weight/max"] = float(every.max())
        stats["weight/ess"] = float(every.sum() ** 2 / (len(every) * (every**2).sum()))
        # Every worker has as many as the others.
        weights = every.reshape(self.engine.world, *advantages.shape)[self.engine.rank].astype(np.float32)
        return CleanExamples.of_samples(batch, self.version, weights)

    def objective(self, passed: Passed) -> tuple[Tensor, dict[str, Tensor]]:
        return passed.error, {}
