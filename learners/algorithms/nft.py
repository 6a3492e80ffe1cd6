# pyright: strict
"""NFT: good pictures pull the policy's prediction towards them, bad ones push it away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from actors.adapter import Adapter
from actors.trajectory import JudgedGroup
from learners.algorithms.algorithm import StatisticsChart
from learners.algorithms.forward_process import ERRORS, ForwardProcessConfig, ForwardProcessLearner
from learners.maths.advantage_estimator import AdvantageConfig
from learners.settings import NotNegative, Positive, TrainingSpec
from rewards.arrays import BoolArray, Float32Array
from rewards.settings.section import Section

if TYPE_CHECKING:  # settings are read without torch
    from torch import Tensor

    from actors.diffusion.policy import Policy
    from learners.algorithms.denoiser import CleanExamples, Noised, Passed


class OldPolicy(Section):
    """v_old: the policy that the one in training is led away from, and that draws."""

    kind: Literal["start", "average"] = "start"
    """`start`: the policy at the start of the update. `average`: a slow average of the policies, which is published and
    draws in their place, as DiffusionNFT has it: steadier, and slower."""

    rate: NotNegative = 0.001
    """`average`: after u updates it keeps the share min(`rate` · u, `most`) of itself"""

    most: float = Field(default=0.5, ge=0, lt=1)
    """`average`: see `rate`"""

    @model_validator(mode="after")
    def _of_the_kind(self) -> Self:
        if self.kind == "start" and (extra := {"rate", "most"} & self.model_fields_set):
            raise ValueError(f"{' and '.join(sorted(extra))}: a setting of kind: average; this is start")
        return self

    def kept(self, updates: int) -> float:
        """The share of itself that the average keeps when update number `updates` is done."""
        return min(self.rate * updates, self.most)


class NFTConfig(ForwardProcessConfig):
    """DiffusionNFT (arXiv 2509.16117): learning from good and bad pictures on the forward process."""

    charts: ClassVar = (
        ERRORS,
        StatisticsChart("Drift", ("drift",), note="Mean squared difference from what v_old predicts."),
    )

    kind: Literal["nft"] = "nft"
    advantage: AdvantageConfig = AdvantageConfig(kind="group")
    """What a reward is compared with. An advantage of `clip` makes a picture wholly good (r = 1), of minus that wholly
    bad."""

    beta: Positive = 1.0
    """β of v⁺ and v⁻: the smaller, the further the optimum of an update lies from v_old"""

    weighting: Literal["adaptive", "none"] = "adaptive"
    """`adaptive`: errors of the clean picture, each relative to its size, as DiffusionNFT's authors train. `none`: the
    squared error of what the network predicts."""

    old: OldPolicy = OldPolicy()

    def learner(self, policy: Policy, spec: TrainingSpec) -> NFTLearner:
        return NFTLearner(policy, spec, self)

    def passes(self, spec: TrainingSpec, stochastic: BoolArray) -> float:
        # What v_old says is computed apart, but for the optimizer step at which it is the policy itself.
        known = 0 if self.old.kind == "average" else 1 / spec.learner.minibatches
        return super().passes(spec, stochastic) + self.timesteps_per_picture * (spec.learner.inner_epochs - known)

    def problems(self, spec: TrainingSpec) -> Iterator[str]:
        yield from super().problems(spec)
        yield from self.advantage.problems(spec)
        if self.old.kind == "average" and spec.learner.zero_stage == 3:
            yield (
                "learner.zero_stage: 3 keeps the weights in pieces, which learner.algorithm.old.kind: average has to "
                "exchange; use 2 at most, or old: {kind: start}"
            )

    @property
    def compared_by(self) -> AdvantageConfig:
        return self.advantage


class NFTLearner(ForwardProcessLearner[NFTConfig]):
    """Diffusion negative-aware fine-tuning (DiffusionNFT, arXiv 2509.16117, section 3), for networks that predict ε, v,
    the sample or a flow's velocity. With f what the network predicts of a noised picture, and r ∈ [0, 1] how good the
    picture is,

        [r ‖f⁺ - f‖² + (1 - r) ‖f⁻ - f‖²] / β,    f⁺ = (1 - β) f_old + β f_θ,    f⁻ = (1 + β) f_old - β f_θ.

    Divided by β, which the authors' program does too, the gradient at f_θ = f_old is that of (2r - 1) ‖f_θ - f‖²,
    whatever β is. With `weighting: adaptive`, ‖·‖² is the relative error of the clean picture (`adaptive_error`).
    """

    def __init__(self, policy: Policy, spec: TrainingSpec, config: NFTConfig) -> None:
        super().__init__(policy, spec, config)
        averages = config.old.kind == "average"
        self._old: Float32Array | None = self.engine.adapter(0).values if averages else None

    def examples(self, batch: Sequence[JudgedGroup], stats: dict[str, float]) -> CleanExamples:
        from learners.algorithms.denoiser import CleanExamples
        from learners.maths.advantages import optimality

        merit = optimality(self.advantages(batch, stats), self.config.advantage.clip)
        return CleanExamples.of_samples(batch, self.version, np.ones_like(merit), merit)

    def centres(self, steps: Sequence[Sequence[Callable[[], Noised]]]) -> Sequence[Sequence[Tensor | None]]:
        """v_old's output for each micro-batch. None stands for the policy in training itself: at the first optimizer
        step the two are one, exactly, and the pass is saved."""
        if self._old is None:
            return [[None] * len(steps[0]), *self._frozen(steps[1:])]
        present = self.engine.adapter(self.version)
        self.policy.load_adapter(self._with_old(present))
        outputs = self._frozen(steps)
        self.policy.load_adapter(present)
        return outputs

    def objective(self, passed: Passed) -> tuple[Tensor, dict[str, Tensor]]:
        from learners.maths.forward_losses import adaptive_error, implicit_policies, squared_error

        noised, output, r, beta = passed.noised, passed.output, passed.merit, self.config.beta
        old = output.detach() if passed.centre is None else passed.centre
        process = self.denoiser.process

        def error(f: Tensor) -> Tensor:
            if self.config.weighting == "none":
                return squared_error(f, noised.target)
            return adaptive_error(process.clean(f, noised.x, noised.level), noised.clean)

        good, bad = (error(f) for f in implicit_policies(output, old, beta))
        return (r * good + (1 - r) * bad) / beta, {"drift": squared_error(output, old)}

    def update(self, batch: Sequence[JudgedGroup]) -> dict[str, float]:
        """See `Learner.update`; then the average follows."""
        stats = super().update(batch)
        if self._old is not None:
            kept, present = self.config.old.kept(self.version), self.engine.adapter(self.version).values
            self._old = (kept * self._old + (1 - kept) * present).astype(np.float32)
        return stats

    def adapter(self) -> Adapter:
        """See `Learner.adapter`: v_old's weights, where they are an average."""
        present = super().adapter()
        return present if self._old is None else self._with_old(present)

    def arrays(self) -> Mapping[str, Float32Array]:
        """The average."""
        return {} if self._old is None else {"old": self._old}

    def restore_arrays(self, arrays: Mapping[str, Float32Array]) -> None:
        """Continues from `arrays()`; raises ValueError if the average is not among them."""
        if self._old is not None:
            if "old" not in arrays:
                raise ValueError("it was saved with learner.algorithm.old.kind: start; this run has average")
            self._old = arrays["old"]

    def _frozen(self, steps: Sequence[Sequence[Callable[[], Noised]]]) -> list[list[Tensor | None]]:
        return [[self.denoiser.frozen(make(), self.engine) for make in step] for step in steps]

    def _with_old(self, present: Adapter) -> Adapter:
        assert self._old is not None
        return Adapter(present.version, present.names, present.shapes, self._old)
