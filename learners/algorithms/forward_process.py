# pyright: strict
"""What algorithms that learn on the forward process share: clean latents, noised anew, and no log-probs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np
from pydantic import Field

from actors.trajectory import JudgedGroup
from learners.algorithms.algorithm import AlgorithmConfig, StatisticsChart, WorkerShare
from learners.algorithms.group_learner import GroupLearner
from learners.maths.noise_levels import NoiseLevels
from learners.maths.schedule import BatchArithmetic, MicroBatch
from learners.settings import Count, NotNegative, TrainingSpec
from learners.sources.ledger import LedgerSource
from rewards.arrays import BoolArray, IntArray
from rewards.text import many

if TYPE_CHECKING:  # settings are read without torch
    from torch import Tensor

    from actors.diffusion.policy import Policy
    from learners.algorithms.denoiser import CleanExamples, Noised, Passed
    from learners.maths.forward_statistics import PairMeans
    from learners.sources.offline import OfflineSource, PictureBatch

ERRORS = StatisticsChart(
    "Denoising error", ("denoising_error",), note="Mean squared, of what the network predicts of noised pictures."
)
"""The chart that these algorithms have in common."""


class ForwardProcessConfig(AlgorithmConfig, ABC):
    """Settings of an algorithm that learns from clean latents.

    The sampler is none of its business: pictures may be drawn by any, deterministic ones included, and be stale.
    """

    on_clean_latents: ClassVar[bool] = True

    needs_reference: ClassVar[bool] = False
    """whether its objective needs the base policy's output, also where `kl` is 0"""

    timesteps: NoiseLevels = NoiseLevels()
    timesteps_per_picture: Count = 4
    """At how many noise levels a picture is trained in each inner epoch; each costs one pass forward and backward."""

    guidance: float = Field(default=1.0, ge=1)
    """Classifier-free guidance of the network in training. 1 trains the conditional prediction alone, in one pass;
    `sampler.guidance` says how pictures are drawn."""

    kl: NotNegative = 0.0
    """Weight of the mean squared difference from what the frozen base policy predicts of the same noised pictures."""

    def source(self, share: WorkerShare) -> LedgerSource | OfflineSource:
        if (data := self.data_set) is not None:
            return share.offline(data)
        return LedgerSource(share.ledger, share.rank, share.world, share.spec.learner.batch_deadline_s)

    def arithmetic(self, spec: TrainingSpec, stochastic: BoolArray) -> BatchArithmetic:
        return BatchArithmetic(spec.groups, spec.samples, self.timesteps_per_picture, spec.learner)

    def trained_guidance(self, spec: TrainingSpec) -> float:
        return self.guidance

    def passes(self, spec: TrainingSpec, stochastic: BoolArray) -> float:
        arithmetic = self.arithmetic(spec, stochastic)
        trained = arithmetic.samples * arithmetic.rows / spec.samples
        each = 3 if self.needs_reference or self.kl else 2
        return trained * each * self.timesteps_per_picture * spec.learner.inner_epochs

    def trained_in_words(self, spec: TrainingSpec, stochastic: BoolArray) -> str:
        pictures = many(spec.groups * spec.samples, "picture")
        return f"{pictures} at {many(self.timesteps_per_picture, 'noise level')} each"


Config = TypeVar("Config", bound=ForwardProcessConfig)


class ForwardProcessLearner(GroupLearner[Config], ABC):
    """A learner from clean latents: an update noises each example `timesteps_per_picture` times an inner epoch, and
    descends the mean of the losses of those (example, draw) pairs, weighted by their example's weight:

        w · (objective + kl · ‖f_θ(x_t, t, c) - f_base(x_t, t, c)‖²),    weights with mean 1 over all workers' examples.

    Level and noise are functions of (seed, version, epoch, index, place, draw), see `NoiseLevels` and `draw_noise`. An
    example of weight 0 is not passed through the network, unless a micro-batch holds nothing else: every worker goes
    backward equally often. If there is no other anywhere, the update takes no step.
    """

    def __init__(self, policy: Policy, spec: TrainingSpec, config: Config) -> None:
        from learners.algorithms.denoiser import Denoiser

        super().__init__(policy, spec, config)
        self.denoiser = Denoiser(policy, spec, config.guidance)

    @abstractmethod
    def examples(self, batch: Sequence[JudgedGroup], stats: dict[str, float]) -> CleanExamples:
        """What is learnt from judged groups: `arithmetic.samples` examples of each. Adds statistics to `stats`."""

    @abstractmethod
    def objective(self, passed: Passed) -> tuple[Tensor, dict[str, Tensor]]:
        """The losses `[b]` of a micro-batch of b pairs, and by their names further statistics `[b]` of them."""

    def centres(self, steps: Sequence[Sequence[Callable[[], Noised]]]) -> Sequence[Sequence[Tensor | None]]:
        """What each micro-batch of an update needs to know of the policy before its first step, as constants."""
        return [[None] * len(step) for step in steps]

    def losses(
        self, batch: Sequence[JudgedGroup] | PictureBatch, stats: dict[str, float]
    ) -> Iterator[Iterable[Tensor]]:
        """See `AlgorithmLearner.losses`."""
        from learners.maths.forward_statistics import example_statistics
        from learners.sources.offline import PictureBatch

        if isinstance(batch, PictureBatch):
            yield from self.descend(self.encoded(batch), stats)
            stats["pictures"] = float(sum(self.engine.gather(batch.pictures.shape[0] * batch.pictures.shape[1])))
        else:
            self.check_groups(batch)
            examples = self.examples(batch, stats)
            mine = (examples.weights.numpy(), examples.lag)
            stats.update(example_statistics(*map(np.concatenate, zip(*self.engine.gather(mine), strict=True))))
            yield from self.descend(examples, stats)

    def encoded(self, batch: PictureBatch) -> CleanExamples:
        """An example of each row of a data set, all of the same weight."""
        from learners.algorithms.denoiser import CleanExamples

        pictures = batch.pictures
        latents = self.policy.encode_pictures(pictures.reshape(-1, *pictures.shape[2:]))
        rows = latents.reshape(*pictures.shape[:2], *latents.shape[1:])
        return CleanExamples.of_rows(batch.prompts, rows, batch.indices)

    def descend(self, examples: CleanExamples, stats: dict[str, float]) -> Iterator[Iterable[Tensor]]:
        """The losses of an update on this worker's `examples`, `arithmetic.samples` of each index."""
        from learners.maths.forward_statistics import PairMeans

        weights = np.concatenate(self.engine.gather(examples.weights.numpy()))
        if not weights.any():
            return
        indices = examples.index[:: self.arithmetic.samples].tolist()
        plan = [
            [self._trained(m, examples) for m in step]
            for step in self.arithmetic.plan(indices, self.spec.seed, self.version)
        ]
        noised: list[list[Callable[[], Noised]]] = []
        for number, step in enumerate(plan):
            epoch = number // self.settings.minibatches
            levels = self._levels(indices, epoch)
            noised.append([partial(self.denoiser.noised, examples, m, levels, self.version, epoch) for m in step])
        means = PairMeans()
        share = examples.weights * float(len(weights) / weights.sum(dtype=np.float64))

        def loss(make: Callable[[], Noised], pairs: MicroBatch, centre: Tensor | None) -> Tensor:
            return self._loss(make(), examples.merit[pairs.sample], share[pairs.sample], centre, means)

        for its, step, centres in zip(noised, plan, self.centres(noised), strict=True):
            yield (loss(*each) for each in zip(its, step, centres, strict=True))
        stats.update(PairMeans.over(self.engine.gather(means.sums())))

    def _trained(self, pairs: MicroBatch, examples: CleanExamples) -> MicroBatch:
        """The pairs that count, or one that does not if there is none."""
        counts = examples.weights.numpy()[pairs.sample] > 0
        rows = np.flatnonzero(counts) if counts.any() else np.zeros(1, np.int64)
        return MicroBatch(pairs.sample[rows], pairs.step[rows])

    def _levels(self, indices: Sequence[int], epoch: int) -> IntArray:
        """`[n, K]`: the noise levels of all examples in an inner epoch."""
        config, denoiser = self.config, self.denoiser
        samples, draws = self.arithmetic.samples, config.timesteps_per_picture
        total, steps = len(denoiser.process), denoiser.sampler_levels
        keys = [(self.spec.seed, self.version, epoch, index) for index in indices]
        return np.concatenate([config.timesteps.draw(key, samples, draws, total, steps) for key in keys])

    def _loss(self, noised: Noised, merit: Tensor, weight: Tensor, centre: Tensor | None, means: PairMeans) -> Tensor:
        """One micro-batch's losses `[b]`."""
        from learners.algorithms.denoiser import Passed
        from learners.maths.forward_losses import squared_error

        output = self.denoiser.predict(noised, self.engine)
        wanted = self.config.needs_reference or self.config.kl > 0
        reference = self.denoiser.reference(noised, self.engine) if wanted else None
        error = squared_error(output, noised.target)
        loss, known = self.objective(Passed(noised, output, error, reference, centre, merit.to(output.device)))
        known = {"loss": loss, "denoising_error": error.view(-1, len(loss)).mean(0), **known}
        if reference is not None:
            known["kl_base"] = squared_error(output, reference).view(-1, len(loss)).mean(0)
            loss = loss + self.config.kl * known["kl_base"]
        weight = weight.to(loss.device)
        means.add(known, weight)
        return weight * loss
