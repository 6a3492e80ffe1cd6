# pyright: strict
"""DPO: of two pictures of one prompt, the better becomes likelier than the worse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from actors.trajectory import JudgedGroup
from learners.algorithms.algorithm import StatisticsChart
from learners.algorithms.forward_process import ERRORS, ForwardProcessConfig, ForwardProcessLearner
from learners.maths.advantage_estimator import BY_ORDER, AdvantageConfig
from learners.maths.schedule import BatchArithmetic
from learners.settings import Positive, TrainingSpec
from learners.sources.data_set_config import PairSetConfig
from rewards.arrays import BoolArray
from rewards.text import many

if TYPE_CHECKING:  # settings are read without torch
    from torch import Tensor

    from actors.diffusion.policy import Policy
    from learners.algorithms.denoiser import CleanExamples, Passed


class DPOConfig(ForwardProcessConfig):
    """Diffusion-DPO (arXiv 2311.12908) on the best and the worst picture of each group, as AGFSync (arXiv 2403.13352)
    makes its pairs; a group whose rewards are equal gives none."""

    charts: ClassVar = (
        StatisticsChart("Pairs that the policy orders rightly", ("dpo/accuracy",), "%", "Against the base policy."),
        StatisticsChart("Margin", ("dpo/margin",), note="Log-odds that the policy gives to the better picture."),
        StatisticsChart("Groups with a pair", ("trained_share",), "%", "The others' rewards are equal."),
        ERRORS,
    )

    needs_reference: ClassVar[bool] = True

    kind: Literal["dpo"] = "dpo"
    data: PairSetConfig | None = None
    """pairs to train on in the place of the policy's own pictures, which makes the run an offline one; default: none"""

    beta: Positive = 5000.0
    """β of the loss, for errors that are means over latent dimensions, as in the authors' program; the larger, the
    nearer the policy stays to the base policy"""

    def learner(self, policy: Policy, spec: TrainingSpec) -> DPOLearner:
        return DPOLearner(policy, spec, self)

    def arithmetic(self, spec: TrainingSpec, stochastic: BoolArray) -> BatchArithmetic:
        draws = self.timesteps_per_picture
        return BatchArithmetic(spec.groups, 1, draws, spec.learner, rows=2, drawn=spec.samples)

    def problems(self, spec: TrainingSpec) -> Iterator[str]:
        yield from super().problems(spec)
        if spec.samples == 1 and self.data is None:
            yield (
                "samples_per_prompt: with 1 sample a group has no better and worse picture for "
                "learner.algorithm.kind: dpo; use at least 2"
            )

    @property
    def data_set(self) -> PairSetConfig | None:
        return self.data

    @property
    def compared_by(self) -> AdvantageConfig:
        return BY_ORDER

    def trained_in_words(self, spec: TrainingSpec, stochastic: BoolArray) -> str:
        levels = many(self.timesteps_per_picture, "noise level")
        if self.data is not None:
            return f"{many(spec.groups, 'pair')} at {levels} each"
        return f"the best and the worst picture of each of {many(spec.groups, 'group')} at {levels} each"


class DPOLearner(ForwardProcessLearner[DPOConfig]):
    """Diffusion-DPO, see `diffusion_dpo`. Both pictures of a pair are passed at the same noise level with the same
    noise, and the reference is the frozen base policy."""

    def examples(self, batch: Sequence[JudgedGroup], stats: dict[str, float]) -> CleanExamples:
        from learners.algorithms.denoiser import CleanExamples

        advantages = self.advantages(batch, stats)
        best, worst = advantages.argmax(1), advantages.argmin(1)
        chosen = np.stack([best, worst], 1)[:, None]
        groups = np.arange(len(batch))
        differ = advantages[groups, best] > advantages[groups, worst]
        return CleanExamples.of_groups(batch, chosen, self.version, differ[:, None].astype(np.float32))

    def objective(self, passed: Passed) -> tuple[Tensor, dict[str, Tensor]]:
        from learners.maths.forward_losses import diffusion_dpo, squared_error

        assert passed.reference is not None
        better, worse = passed.error.chunk(2)
        known_better, known_worse = squared_error(passed.reference, passed.noised.target).chunk(2)
        preference = diffusion_dpo(better, worse, known_better, known_worse, self.config.beta)
        # The policy that still is the base policy orders nothing: half of it rightly.
        known = {"dpo/accuracy": (preference.margin.sign() + 1) / 2, "dpo/margin": preference.margin}
        return preference.loss, known
