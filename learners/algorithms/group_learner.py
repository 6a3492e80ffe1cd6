# pyright: strict
"""What algorithms that learn from judged groups share."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from actors.trajectory import JudgedGroup
from learners.algorithms.algorithm import AlgorithmConfig
from learners.algorithms.ratio_check import check_same_steps
from learners.learner import AlgorithmLearner
from learners.maths.advantage_estimator import AdvantageConfig, AdvantageEstimator, Scored
from learners.maths.schedule import MicroBatch
from learners.settings import TrainingSpec
from rewards.arrays import Float32Array

if TYPE_CHECKING:
    from actors.diffusion.policy import Policy

Config = TypeVar("Config", bound=AlgorithmConfig)


class GroupLearner(AlgorithmLearner[Sequence[JudgedGroup]], ABC, Generic[Config]):
    """A learner from judged groups: a batch is this worker's groups (indices `rank::world`), in index order.

    It remembers the statistics that rewards are compared with.
    """

    def __init__(self, policy: Policy, spec: TrainingSpec, config: Config) -> None:
        self.config = config
        transition = policy.transition(spec.sampler)
        stochastic = transition.stochastic.cpu().numpy()
        self.recording = config.recording(spec, stochastic)
        self._timesteps = transition.timesteps.cpu().numpy()
        super().__init__(policy, spec, config.kind, config.arithmetic(spec, stochastic))
        self._estimator = AdvantageEstimator(config.compared_by or AdvantageConfig(), spec.rewards)

    def state(self) -> Mapping[str, Any]:
        """The estimator's statistics."""
        return self._estimator.state()

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state()`."""
        self._estimator.restore(state)

    def check_groups(self, groups: Sequence[JudgedGroup]) -> None:
        """Raises ValueError if `groups` are not this worker's share of an update, RatioError if they were not drawn at
        the learner's timesteps or not recorded where it trains."""
        self.arithmetic.check_share([len(g.rewards) for g in groups])
        assert all(g.trajectories.version <= self.version for g in groups), "a group from the future"
        for group in groups:
            check_same_steps(group.trajectories, self._timesteps, self.recording)

    def advantages(self, groups: Sequence[JudgedGroup], stats: dict[str, float]) -> Float32Array:
        """The advantages `[P / world, k]` of this worker's groups, computed from the rewards of all workers.

        Adds statistics of the rewards to `stats`. Call it once an update."""
        from learners.maths.statistics import reward_statistics

        mine = [
            Scored(g.trajectories.ticket.index, g.trajectories.ticket.prompt, g.rewards, g.scores, g.gated)
            for g in groups
        ]
        everyone = [group for theirs in self.engine.gather(mine) for group in theirs]
        advantages = self._estimator.advantages(everyone)
        indices = sorted(advantages)
        rewards = {group.index: group.rewards for group in everyone}
        stats.update(
            reward_statistics(np.stack([rewards[p] for p in indices]), np.stack([advantages[p] for p in indices]))
        )
        return np.stack([advantages[group.index] for group in mine])

    def plan(self, groups: Sequence[JudgedGroup]) -> list[list[MicroBatch]]:
        """The update's optimizer steps of micro-batches, drawn anew for every version."""
        indices = [g.trajectories.ticket.index for g in groups]
        return self.arithmetic.plan(indices, self.spec.seed, self.version)
