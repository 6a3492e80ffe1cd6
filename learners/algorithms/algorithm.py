# pyright: strict
"""What an algorithm declares: its settings, its source, its checks, and what the report draws of its statistics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from actors.recording import Recording
from learners.learner import Learner
from learners.maths.advantage_estimator import AdvantageConfig
from learners.maths.schedule import BatchArithmetic
from learners.settings import TrainingSpec
from learners.sources.data_set_config import DataSetConfig
from learners.sources.ledger import BatchLedger
from learners.sources.source import Source
from rewards.arrays import BoolArray
from rewards.settings.section import Section
from rewards.text import many

if TYPE_CHECKING:  # settings are read without torch
    from actors.diffusion.policy import Policy
    from learners.sources.offline import OfflineSource


@dataclass(frozen=True, slots=True)
class StatisticsChart:
    """One drawing of the report, of statistics that an algorithm's updates return; it begins at zero.

    keys  the names of the statistics; a name that ends in / stands for all that begin so
    unit  % for shares between 0 and 1
    note  one sentence under the drawing
    """

    title: str
    keys: tuple[str, ...]
    unit: Literal["", "%"] = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """What a source is built from: a worker's rank among `world`, its run, and the run's ledger.

    size    height and width of the policy's pictures
    gather  gives every worker's item, in rank order, to all of them
    """

    rank: int
    world: int
    spec: TrainingSpec
    ledger: BatchLedger
    size: tuple[int, int] = (0, 0)
    gather: Callable[[Any], Sequence[Any]] = lambda item: [item]

    def offline(self, data: DataSetConfig) -> OfflineSource:
        """A worker's rows of a data set."""
        from learners.sources.offline import OfflineSource

        return OfflineSource(
            data.open(),
            data.batch,
            self.size,
            seed=self.spec.seed,
            begin=self.ledger.begin,
            deadline_s=self.spec.learner.batch_deadline_s,
            flip=data.flip,
            rank=self.rank,
            world=self.world,
            gather=self.gather,
        )


class AlgorithmConfig(Section, ABC):
    """The settings of one algorithm: `learner.algorithm` in an experiment's YAML. A subclass is a variant of that field
    of `learners.config.LearnerConfig`.

    Settings are read without torch, so the file of an algorithm imports heavy libraries inside methods only.
    """

    charts: ClassVar[tuple[StatisticsChart, ...]] = ()
    """what the report draws of its statistics"""
    on_clean_latents: ClassVar[bool] = False
    """whether it learns from clean latents alone: it needs no log-probs, so `sampler.eta` may be 0, rollouts record no
    steps, and actors and learner need not compute alike"""

    kind: Any
    """its name in the YAML: `Literal["NAME"] = "NAME"`"""

    @abstractmethod
    def learner(self, policy: Policy, spec: TrainingSpec) -> Learner[Any]:
        """A worker's learner of `policy`."""

    @abstractmethod
    def source(self, share: WorkerShare) -> Source[Any]:
        """Where that worker's batches come from."""

    @abstractmethod
    def arithmetic(self, spec: TrainingSpec, stochastic: BoolArray) -> BatchArithmetic:
        """The geometry of an update, if the sampler's steps `[T]` are `stochastic`; raises ValueError, beginning with
        the key that is to blame, if it does not work out."""

    def trained_guidance(self, spec: TrainingSpec) -> float:
        """The guidance of the network where it is trained."""
        return spec.sampler.guidance

    def passes(self, spec: TrainingSpec, stochastic: BoolArray) -> float:
        """How often a picture goes through the network when it is trained, a backward counted as one pass, and those
        of guidance apart."""
        return 2.0 * spec.learner.inner_epochs * self.arithmetic(spec, stochastic).trained_steps

    def recording(self, spec: TrainingSpec, stochastic: BoolArray) -> Recording:
        """What rollouts record, if the sampler's steps `[T]` are `stochastic`; raises ValueError as `arithmetic` does.

        Every rollout actor and every worker of the learner asks for it, so it is a function of its arguments alone.
        """
        return Recording.clean(stochastic) if self.on_clean_latents else Recording.whole(stochastic)

    def problems(self, spec: TrainingSpec) -> Iterator[str]:
        """What in the settings of the run cannot work with this algorithm; each line begins with the key to blame."""
        if spec.sampler.eta == 0 and not self.on_clean_latents:
            yield (
                f"sampler.eta: 0 makes every step deterministic, and learner.algorithm.kind: {self.kind} needs the "
                "log-probs of steps that add noise; set it above 0"
            )

    @property
    def heatmap(self) -> tuple[str, str] | None:
        """A judge, and which of its heatmaps it learns from; None: none."""
        return None

    @property
    def data_set(self) -> DataSetConfig | None:
        """What it trains on in the place of judged groups, which makes the run an offline one; None: judged groups."""
        return None

    def located(self) -> Self:
        """The same with absolute paths, for processes in other folders."""
        data = self.data_set
        return self if data is None else self.model_copy(update={"data": data.located()})

    @property
    def compared_by(self) -> AdvantageConfig | None:
        """How rewards are made into advantages; None: they are not."""
        return None

    def trained_in_words(self, spec: TrainingSpec, stochastic: BoolArray) -> str:
        """What an update trains, as the object of a sentence, if the sampler's steps `[T]` are `stochastic`."""
        pictures, steps = spec.groups * spec.samples, self.arithmetic(spec, stochastic).trained_steps
        return (
            f"{many(pictures, 'picture')} at {steps} of their {many(len(stochastic), 'step')} each"
            f"{self.window_in_words(stochastic)}"
        )

    def window_in_words(self, stochastic: BoolArray) -> str:
        """Which of a picture's steps are trained, as the end of "at 4 of their 8 steps each"."""
        return ""
