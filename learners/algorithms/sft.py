# pyright: strict
"""SFT: the policy is trained on the best of its own pictures, as it was pretrained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from actors.trajectory import JudgedGroup
from learners.algorithms.algorithm import StatisticsChart
from learners.algorithms.forward_process import ERRORS, ForwardProcessConfig, ForwardProcessLearner
from learners.maths.advantage_estimator import BY_ORDER, AdvantageConfig
from learners.maths.schedule import BatchArithmetic
from learners.settings import Count, TrainingSpec
from learners.sources.data_set_config import ImageSetConfig
from rewards.arrays import BoolArray
from rewards.text import many

if TYPE_CHECKING:  # settings are read without torch
    from torch import Tensor

    from actors.diffusion.policy import Policy
    from learners.algorithms.denoiser import CleanExamples, Passed


class SFTConfig(ForwardProcessConfig):
    """Supervised fine-tuning on the best pictures of each group: best-of-n, or reward-ranked fine-tuning (RAFT, arXiv
    2304.06767, algorithm 1); with a threshold, sparse reward-weighted regression (DDPO, arXiv 2305.13301, section 4.2).
    """

    charts: ClassVar = (
        StatisticsChart("Pictures trained, of those that may be", ("trained_share",), "%"),
        StatisticsChart("Reward of the pictures trained", ("sft/reward",)),
        ERRORS,
    )

    kind: Literal["sft"] = "sft"
    data: ImageSetConfig | None = None
    """pictures to train on in the place of the policy's own, which makes the run an offline one; default: none"""

    keep: Count = 1
    """how many pictures of each group are trained, those with the highest reward"""

    threshold: float | None = None
    """only pictures with a higher reward are trained; default: all that are kept"""

    def learner(self, policy: Policy, spec: TrainingSpec) -> SFTLearner:
        return SFTLearner(policy, spec, self)

    def arithmetic(self, spec: TrainingSpec, stochastic: BoolArray) -> BatchArithmetic:
        if self.keep > spec.samples and self.data is None:
            raise ValueError(
                f"learner.algorithm.keep: {self.keep} is more than the {spec.samples} pictures of a group "
                "(samples_per_prompt)"
            )
        draws = self.timesteps_per_picture
        return BatchArithmetic(spec.groups, self.keep, draws, spec.learner, drawn=spec.samples)

    def problems(self, spec: TrainingSpec) -> Iterator[str]:
        yield from super().problems(spec)
        if self.data is not None:
            for key in ("keep", "threshold"):
                if key in self.model_fields_set:
                    yield f"learner.algorithm.{key}: a data set has no rewards to select by; leave it out"
        elif self.keep == spec.samples and self.threshold is None:
            yield (
                f"learner.algorithm.keep: {self.keep} keeps every picture of a group, so that the rewards change "
                "nothing; keep fewer, or set learner.algorithm.threshold"
            )

    @property
    def data_set(self) -> ImageSetConfig | None:
        return self.data

    @property
    def compared_by(self) -> AdvantageConfig:
        return BY_ORDER

    def trained_in_words(self, spec: TrainingSpec, stochastic: BoolArray) -> str:
        levels = many(self.timesteps_per_picture, "noise level")
        if self.data is not None:
            return f"{many(spec.groups, 'picture')} at {levels} each"
        above = "" if self.threshold is None else f" with a reward above {self.threshold:g}"
        best = f"the best {many(self.keep, 'picture')}{above} of each of {many(spec.groups, 'group')}"
        return f"{best} at {levels} each"


class SFTLearner(ForwardProcessLearner[SFTConfig]):
    """Descends ‖f_θ(x_t, t, c) - f‖², the loss of pretraining (DDPM, arXiv 2006.11239, equation 14; for flows, arXiv
    2210.02747, equation 9), on the selected pictures."""

    def examples(self, batch: Sequence[JudgedGroup], stats: dict[str, float]) -> CleanExamples:
        from learners.algorithms.denoiser import CleanExamples

        best = np.argsort(-self.advantages(batch, stats), axis=1, kind="stable")[:, : self.config.keep]
        rewards = np.take_along_axis(np.stack([group.rewards for group in batch]), best, axis=1)
        least = -np.inf if self.config.threshold is None else self.config.threshold
        kept = rewards > least
        if (every := np.concatenate(self.engine.gather(rewards[kept]))).size:
            stats["sft/reward"] = float(every.mean(dtype=np.float64))
        return CleanExamples.of_groups(batch, best[..., None], self.version, kept.astype(np.float32))

    def objective(self, passed: Passed) -> tuple[Tensor, dict[str, Tensor]]:
        return passed.error, {}
