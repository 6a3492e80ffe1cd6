# pyright: strict
"""A second algorithm, in one file: what adding one takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from plain_loop import SAMPLER, load_policy, roll
from pydantic import Field, ValidationError
from torch import Tensor

from actors.diffusion.policy import Policy
from actors.trajectory import JudgedGroup
from learners.algorithms.algorithm import AlgorithmConfig, StatisticsChart, WorkerShare
from learners.algorithms.ddpo import DDPOConfig
from learners.algorithms.group_learner import GroupLearner
from learners.algorithms.likelihood import Likelihood, Rollouts
from learners.config import LearnerConfig, statistics_charts
from learners.maths.advantage_estimator import AdvantageConfig
from learners.maths.schedule import BatchArithmetic, MicroBatch
from learners.settings import LearnerSettings, Positive, TrainingSpec
from learners.sources.ledger import LedgerSource
from rewards.arrays import BoolArray, Float32Array, ImageArray

GROUPS, SAMPLES = 2, 4


class RewardWeightedConfig(AlgorithmConfig):
    """Reward-weighted regression: likely becomes what was rewarded."""

    charts: ClassVar = (StatisticsChart("Weights", ("weight/",)),)
    kind: Literal["rwr"] = "rwr"
    beta: Positive = 1.0
    """temperature of the weights exp(A / β)"""

    def learner(self, policy: Policy, spec: TrainingSpec) -> RewardWeightedLearner:
        return RewardWeightedLearner(policy, spec, self)

    def source(self, share: WorkerShare) -> LedgerSource:
        return LedgerSource(share.ledger, share.rank, share.world, share.spec.learner.batch_deadline_s)

    def arithmetic(self, spec: TrainingSpec, stochastic: BoolArray) -> BatchArithmetic:
        return BatchArithmetic(spec.groups, spec.samples, len(stochastic), spec.learner)

    @property
    def compared_by(self) -> AdvantageConfig:
        return AdvantageConfig(kind="group")


class RewardWeightedLearner(GroupLearner[RewardWeightedConfig]):
    def losses(self, batch: Sequence[JudgedGroup], stats: dict[str, float]) -> Iterator[Iterable[Tensor]]:
        self.check_groups(batch)
        weights = np.exp(self.advantages(batch, stats) / self.config.beta)
        stats["weight/max"] = float(weights.max())
        rollouts, likelihood = Rollouts.of(batch, weights, self.version), Likelihood(self.policy, self.spec.sampler)

        def loss(pairs: MicroBatch) -> Tensor:
            return -rollouts.advantages[pairs.sample] * likelihood.score(rollouts, pairs, self.engine)[0]

        for step in self.plan(batch):
            yield (loss(pairs) for pairs in step)


class WithRewardWeighted(LearnerSettings):
    """`learner:` with one variant more."""

    algorithm: Annotated[DDPOConfig | RewardWeightedConfig, Field(discriminator="kind")] = DDPOConfig()


CONFIG = WithRewardWeighted.model_validate({"lr": 1e-2, "algorithm": {"kind": "rwr", "beta": 0.5}})


def make(folder: Path, config: WithRewardWeighted = CONFIG) -> Any:
    return config.algorithm.learner(load_policy(folder), TrainingSpec(config, SAMPLER, GROUPS, SAMPLES))


def rolled(learner: Any, **more: Any) -> list[JudgedGroup]:
    indices = range(learner.version * GROUPS, (learner.version + 1) * GROUPS)
    return roll(learner.policy, learner.version, indices, SAMPLES, **more)


def rank(images: ImageArray) -> Float32Array:
    return np.arange(len(images), dtype=np.float32)


def test_its_variant_is_read_by_its_kind_and_refuses_keys_of_another() -> None:
    assert CONFIG.algorithm == RewardWeightedConfig(beta=0.5)
    assert WithRewardWeighted.model_validate({"algorithm": {"kind": "ddpo", "kl": 1}}).algorithm == DDPOConfig(kl=1)
    assert WithRewardWeighted.model_validate(CONFIG.model_dump(exclude_unset=True)) == CONFIG
    for wrong in ({"kind": "rwr", "kl": 1}, {"kind": "rwr", "beta": 0}, {"kind": "other"}):
        with pytest.raises(ValidationError):
            WithRewardWeighted.model_validate({"algorithm": wrong})


def test_it_makes_rewarded_samples_likelier(tiny_policy_dir: Path) -> None:
    learner = make(tiny_policy_dir)
    best, *_ = groups = rolled(learner, reward=rank)
    rollouts = Rollouts.of([best], np.zeros((1, SAMPLES), np.float32), 0)
    steps = np.arange(SAMPLER.steps)

    def log_prob(sample: int) -> float:
        pairs = MicroBatch(np.full(len(steps), sample), steps)
        return float(Likelihood(learner.policy, SAMPLER).frozen(rollouts, pairs, learner.engine).mean())

    before = [log_prob(sample) for sample in range(SAMPLES)]
    stats = learner.update(groups)
    gain = [log_prob(sample) - old for sample, old in enumerate(before)]
    assert gain[-1] > 0
    assert gain[-1] > gain[0]
    # The best of 0, 1, 2, 3 stands 3 / √5 deviations above the mean.
    assert stats["weight/max"] == pytest.approx(np.exp(3 / 5**0.5 / 0.5), rel=1e-3)
    assert {"reward/mean", "lr", "grad_norm", "optimizer_steps"} < stats.keys()


def test_it_continues_from_its_checkpoint_bit_for_bit(tiny_policy_dir: Path, tmp_path: Path) -> None:
    straight, resumed = make(tiny_policy_dir), make(tiny_policy_dir)
    straight.update(rolled(straight))
    straight.save(tmp_path / "checkpoint")
    resumed.restore(tmp_path / "checkpoint")
    assert resumed.version == 1
    assert resumed.update(rolled(resumed)) == straight.update(rolled(straight))
    assert resumed.adapter().checksum() == straight.adapter().checksum()


def test_a_checkpoint_of_one_algorithm_is_refused_by_another(tiny_policy_dir: Path, tmp_path: Path) -> None:
    make(tiny_policy_dir).save(tmp_path / "checkpoint")
    other = make(tiny_policy_dir, WithRewardWeighted())
    with pytest.raises(ValueError, match=r"saved with learner\.algorithm\.kind rwr; this run has ddpo"):
        other.restore(tmp_path / "checkpoint")


def test_the_algorithms_that_ship_say_what_is_asked_of_them() -> None:
    spec = TrainingSpec(LearnerConfig(), SAMPLER, GROUPS, SAMPLES)
    algorithm = LearnerConfig().algorithm
    assert algorithm.arithmetic(spec, np.ones(SAMPLER.steps, bool)).pairs > 0
    assert [*algorithm.problems(spec)] == []
    assert len({chart.title for chart in algorithm.charts}) == len(algorithm.charts) > 0
    assert statistics_charts(algorithm.kind) == statistics_charts(None) == algorithm.charts
    assert statistics_charts("unknown") == ()
