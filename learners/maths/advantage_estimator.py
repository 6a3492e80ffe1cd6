"""The estimator: advantages of one update's judged groups, and the statistics that live on from update to update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from learners.maths.advantages import (
    PerPromptStatistics,
    clip_advantages,
    decoupled_advantages,
    group_advantages,
)
from learners.settings import Count, Positive, TrainingSpec
from rewards.arrays import Array, Float32Array
from rewards.config import RewardsConfig
from rewards.panel.composition import Composition, weighted_sum
from rewards.panel.gate import Gated
from rewards.settings.section import Section


class AdvantageConfig(Section):
    """What a reward is compared with."""

    kind: Literal["per_prompt", "group", "none"] = "per_prompt"
    """`per_prompt` compares with the latest rewards of the same prompt (DDPO), `group` with the other samples of the
    same group (GRPO). `none` compares with nothing: the reward itself (SynArtifact, arXiv 2402.18068, equation 3); its
    gradient has the same mean and a larger variance."""

    min_count: Count = 16
    """`per_prompt`: below so many rewards of a prompt, the whole batch's mean and deviation stand in."""

    buffer: Count = 32
    """`per_prompt`: how many of a prompt's latest rewards are remembered."""

    clip: Positive = 5.0
    """Advantages are cut to ± this."""

    @model_validator(mode="after")
    def _buffer_reaches_min_count(self) -> Self:
        if self.buffer < self.min_count:
            raise ValueError(
                f"buffer {self.buffer} can never hold min_count {self.min_count} rewards of a prompt: "
                f"raise `buffer` or lower `min_count`"
            )
        return self

    def problems(self, spec: TrainingSpec) -> Iterator[str]:
        """Why rewards cannot be compared like this in the run of `spec`; each line begins with the key to blame."""
        if self.kind == "group" and spec.samples == 1:
            yield (
                "samples_per_prompt: with 1 sample a group has nothing to compare it with, and every advantage of "
                "learner.algorithm.advantage.kind: group is 0; use at least 2, or kind: per_prompt"
            )
        if spec.rewards is not None and spec.rewards.aggregate == "advantage" and self.kind != "group":
            yield (
                "rewards.aggregate: advantage compares within groups; set learner.algorithm.advantage.kind: group to "
                "say so, or use aggregate: reward"
            )


BY_ORDER = AdvantageConfig(kind="group", clip=1e9)
"""Of which only the order within a group counts: a cut could make equals of the best."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What the estimator needs of a judged group, small enough to send to every worker; fields as in JudgedGroup."""

    index: int
    prompt: str
    rewards: Array
    scores: Mapping[str, Array]
    gated: Gated | None


class AdvantageEstimator:
    """Steps 4 to 7 of the panel's order (see `rewards.panel.panel.Panel`) for the batch of one update.

    Where no judge's values are compared with those of other pictures, the panel has scored each group already, and its
    rewards are used unchanged. `rewards` None stands for a run without a panel, whose groups come with their rewards.

    Invariant: advantages and state are functions of the updates' groups in the order of their indices, whoever made
    them and whenever they arrived. Every worker sees the whole batch and keeps the same state.
    """

    def __init__(self, config: AdvantageConfig, rewards: RewardsConfig | None = None) -> None:
        self.config = config
        self._per_prompt = PerPromptStatistics(config.buffer, config.min_count)
        self._composition = None if rewards is None else Composition(rewards)
        self._decoupled = rewards is not None and rewards.aggregate == "advantage"

    def advantages(self, groups: Sequence[Scored]) -> dict[int, Float32Array]:
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

    def _compared(self, groups: Sequence[Scored]) -> Float32Array:
        if self._decoupled and self._composition is not None:
            values = self._composition.normalised(_columns(self._composition, groups))
            return decoupled_advantages(values, self._composition.weights, _gated(groups).penalty)
        rewards = self._rewards(groups)
        if self.config.kind == "none":
            return np.asarray(rewards, np.float32)
        if self.config.kind == "group":
            return group_advantages(rewards)
        return self._per_prompt.advantages([group.prompt for group in groups], rewards)

    def _rewards(self, groups: Sequence[Scored]) -> Array:
        if self._composition is None or not self._composition.relative:
            return np.stack([group.rewards for group in groups])
        values = self._composition.normalised(_columns(self._composition, groups))
        return _gated(groups).apply(weighted_sum(values, self._composition.weights))


def _columns(composition: Composition, groups: Sequence[Scored]) -> dict[str, Array]:
    """Judge → `[P, k]`."""
    return {name: np.stack([group.scores[name] for group in groups]) for name in composition.judges}


def _gated(groups: Sequence[Scored]) -> Gated:
    """The gates' decisions on all groups, `[P, k]`."""
    each = [group.gated or Gated.open(len(group.rewards)) for group in groups]
    return Gated(np.stack([g.fixed for g in each]), np.stack([g.penalty for g in each]))
