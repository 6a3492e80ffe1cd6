# pyright: strict
"""The estimator: one update's judged groups made into advantages, with all statistics that live on from update to
update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learners.config import AdvantageConfig
from learners.maths.advantages import (
    FloatArray,
    PerPromptStatistics,
    clip_advantages,
    decoupled_advantages,
    group_advantages,
)
from rewards.panel.composition import Composition, weighted_sum
from rewards.panel.gate import Gated
from rewards.settings.rewards import RewardsConfig


@dataclass(frozen=True, slots=True)
class Scored:
    """What the estimator needs of a judged group, small enough to send to every worker; fields as in JudgedGroup."""

    index: int
    prompt: str
    rewards: NDArray[Any]
    scores: Mapping[str, NDArray[Any]]
    gated: Gated | None


class AdvantageEstimator:
    """Steps 4 to 7 of the panel's order (see `rewards.panel.panel.Panel`) for the batch of one update.

    Where the panel has told each group's reward already (no judge's values are compared with others), those rewards are
    taken as they are. `rewards` None stands for a run without a panel, whose groups come with their rewards.

    Invariant: advantages and state are functions of the updates' groups in the order of their indices, whoever made
    them and whenever they arrived. Every worker sees the whole batch and keeps the same state.
    """

    def __init__(self, config: AdvantageConfig, rewards: RewardsConfig | None = None) -> None:
        self.config = config
        self._per_prompt = PerPromptStatistics(config.buffer, config.min_count)
        self._composition = None if rewards is None else Composition(rewards)
        self._decoupled = rewards is not None and rewards.aggregate == "advantage"

    def advantages(self, groups: Sequence[Scored]) -> dict[int, FloatArray]:
        """Index → advantages `[k]`, of all groups of one update. Called once an update."""
        groups = sorted(groups, key=lambda group: group.index)
        made = clip_advantages(self._compared(groups), self.config.clip)
        return {group.index: row for group, row in zip(groups, made, strict=True)}

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, as JSON types."""
        judges = {} if self._composition is None else self._composition.state()
        return {"prompts": self._per_prompt.state(), "judges": judges}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state()`."""
        self._per_prompt.restore(state["prompts"])
        if self._composition is not None:
            self._composition.restore(state["judges"])

    def _compared(self, groups: Sequence[Scored]) -> FloatArray:
        if self._decoupled and self._composition is not None:
            values = self._composition.normalised(_columns(self._composition, groups))
            return decoupled_advantages(values, self._composition.weights, _gated(groups).penalty)
        rewards = self._rewards(groups)
        if self.config.kind == "group":
            return group_advantages(rewards)
        return self._per_prompt.advantages([group.prompt for group in groups], rewards)

    def _rewards(self, groups: Sequence[Scored]) -> NDArray[Any]:
        if self._composition is None or not self._composition.relative:
            return np.stack([group.rewards for group in groups])
        values = self._composition.normalised(_columns(self._composition, groups))
        return _gated(groups).apply(weighted_sum(values, self._composition.weights))


def _columns(composition: Composition, groups: Sequence[Scored]) -> dict[str, NDArray[Any]]:
    """Judge → `[P, k]`."""
    return {name: np.stack([group.scores[name] for group in groups]) for name in composition.judges}


def _gated(groups: Sequence[Scored]) -> Gated:
    """The gates' decisions on all groups, `[P, k]`."""
    each = [group.gated or Gated.open(len(group.rewards)) for group in groups]
    return Gated(np.stack([g.fixed for g in each]), np.stack([g.penalty for g in each]))
