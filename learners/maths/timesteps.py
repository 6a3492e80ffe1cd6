"""Which denoising steps of each sample are trained."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from rewards.arrays import BoolArray, IntArray


def trained_steps(steps: int, fraction: float) -> int:
    """How many of `steps` denoising steps are trained: the nearest whole number, at least one."""
    return max(1, round(steps * fraction))


def trainable_steps(stochastic: Bool[BoolArray, " T"], window: float) -> Int[IntArray, " trainable"]:
    """Indices of the steps that may be trained: those of the first `window` share of the trajectory that add noise.

    A step without noise is no action and gets no gradient. Raises ValueError if none is left.
    """
    steps = np.flatnonzero(stochastic[: trained_steps(len(stochastic), window)])
    if not len(steps):
        raise ValueError(
            "learner.algorithm.timestep_window: no step in it adds noise, so there is nothing to train; widen it"
        )
    return steps


def choose_timesteps(
    samples: int, steps: int, fraction: float, rng: np.random.Generator
) -> Int[IntArray, "{samples} m"]:
    """Step indices to train: for each sample its own `m` distinct steps out of `steps`, unordered.

    Each sample's steps are shuffled *before* the fraction is taken. Taking the first `m` steps of every trajectory
    instead would never train the late ones.
    """
    order = rng.permuted(np.tile(np.arange(steps), (samples, 1)), axis=1)
    return order[:, : trained_steps(steps, fraction)]
