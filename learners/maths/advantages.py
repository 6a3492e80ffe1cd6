"""Advantages: how much better than expected each sample was."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Num

from rewards.arrays import Array, Float32Array, FloatArray
from rewards.panel.composition import weighted_sum
from rewards.panel.normalise import EPSILON, group_z_score


def group_advantages(rewards: Num[Array, "P k"]) -> Float[Float32Array, "P k"]:
    """Each reward against the other samples of its group (GRPO, arXiv 2402.03300, eq. 4).

    A group of equal rewards, and therefore a group of one, has advantage 0.
    """
    exact = rewards.astype(np.float64)
    return _normalise(exact, exact.mean(axis=1, keepdims=True), exact.std(axis=1, keepdims=True))


def decoupled_advantages(
    values: Float[FloatArray, "J P k"], weights: Float[FloatArray, " J"], penalties: Float[FloatArray, "P k"]
) -> Float[Float32Array, "P k"]:
    """Each judge's values against their group first, then weighted and summed, then the batch (GDPO, arXiv 2601.05242,
    eqs. 4 to 6). `values` are NaN where a judge gave none.

    The penalties of gates, in deviations of a group, are subtracted from the sum. Weights are renormalised over the
    judges that gave a value. With one judge, and no group of equal values, these are `group_advantages`; groups of
    equal values keep advantage 0 and make those of the others larger, as they bring the batch's deviation down.
    Deviations are the population's, as everywhere here.
    """
    summed = weighted_sum(group_z_score(values), weights) - penalties
    return _normalise(summed, summed.mean(keepdims=True), summed.std(keepdims=True))


def clip_advantages(advantages: Float[Float32Array, "P k"], limit: float) -> Float[Float32Array, "P k"]:
    """Advantages cut to ± `limit`, so that one lucky sample does not own the update."""
    return np.clip(advantages, -limit, limit)


def optimality(advantages: Float[Float32Array, "P k"], full: float) -> Float[Float32Array, "P k"]:
    """r ∈ [0, 1] of DiffusionNFT (arXiv 2509.16117, section 3): ½ + ½ clip(A / `full`, -1, 1)."""
    return (0.5 + 0.5 * np.clip(advantages / full, -1, 1)).astype(np.float32)


def exponential_weights(advantages: Float[Float32Array, " n"], beta: float) -> Float[FloatArray, " n"]:
    """exp(A / β) over its mean: what samples count in reward-weighted regression (DDPO, arXiv 2305.13301, section 4.2,
    in the form of advantage-weighted regression, arXiv 1910.00177)."""
    exponent = advantages.astype(np.float64) / beta
    weights = np.exp(exponent - exponent.max())
    return weights / weights.mean()


class PerPromptStatistics:
    """Running reward statistics per prompt (DDPO, arXiv 2305.13301, section 4.3 and appendix).

    Invariant: after `advantages`, a prompt's buffer holds its latest `buffer` rewards, this batch's included, in
    training order. The prompt's own statistics are used from `min_count` rewards on; below, the batch's.
    """

    def __init__(self, buffer: int, min_count: int) -> None:
        self.buffer = buffer
        self.min_count = min_count
        self._rewards: dict[str, deque[float]] = {}

    def advantages(self, prompts: Sequence[str], rewards: Num[Array, "P k"]) -> Float[Float32Array, "P k"]:
        """Adds the `rewards` of P groups to the statistics of their P `prompts`, and compares them with these.

        Every group is added before any is compared, so that two groups of one prompt are compared alike.
        """
        exact = rewards.astype(np.float64)
        for prompt, row in zip(prompts, exact, strict=True):
            self._rewards.setdefault(prompt, deque(maxlen=self.buffer)).extend(row.tolist())
        mean = np.empty((len(prompts), 1))
        std = np.empty((len(prompts), 1))
        for i, prompt in enumerate(prompts):
            known = np.array(self._rewards[prompt])
            reference = known if len(known) >= self.min_count else exact
            mean[i], std[i] = reference.mean(), reference.std()
        return _normalise(exact, mean, std)

    def state(self) -> dict[str, list[float]]:
        """Everything that `restore` needs, as JSON types."""
        return {prompt: list(rewards) for prompt, rewards in self._rewards.items()}

    def restore(self, state: Mapping[str, Sequence[float]]) -> None:
        """Continues from a `state()`."""
        self._rewards = {prompt: deque(rewards, maxlen=self.buffer) for prompt, rewards in state.items()}


def _normalise(
    rewards: Float[FloatArray, "P k"], mean: Float[FloatArray, "#P 1"], std: Float[FloatArray, "#P 1"]
) -> Float[Float32Array, "P k"]:
    return ((rewards - mean) / (std + EPSILON)).astype(np.float32)
