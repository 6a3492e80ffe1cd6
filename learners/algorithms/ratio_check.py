# pyright: strict
"""The start-up check: on fresh samples, learner and actor must agree on every log-prob."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learners.maths.schedule import MicroBatch
from learners.sources.source import TrainingStopped
from rewards.arrays import Array, FloatArray, IntArray

if TYPE_CHECKING:
    from learners.algorithms.likelihood import Likelihood, Rollouts
    from learners.engine import Engine

# Samples of each worker's first batch on which the check runs over all timesteps.
SAMPLES = 8


class RatioError(TrainingStopped):
    """Learner and rollout actor disagree about the policy's log-probs, so every gradient would be wrong."""


def check_ratio(learner: Array, behaviour: Array, timesteps: Array, tolerance: float) -> FloatArray:
    """The largest |r - 1| per timestep, `[T]`, of on-policy samples; raises RatioError where it is > `tolerance`.

    `learner` and `behaviour` are log-probs `[n, T]` of the same transitions under the same weights, from the learner's
    and from the rollout actor's code; `timesteps` `[T]` names the columns in the message. A log-prob that is not
    finite counts as infinitely far off.
    """
    # NaN compares false with everything; as infinity it is reported instead of passed.
    off = np.abs(np.expm1(learner.astype(np.float64) - behaviour.astype(np.float64)))
    worst: FloatArray = np.where(np.isfinite(off), off, np.inf).max(axis=0)
    bad = worst > tolerance
    if bad.any():
        lines = [f"  timestep {t:4.0f}: |r - 1| = {w:.2e}" for t, w in zip(timesteps[bad], worst[bad], strict=True)]
        raise RatioError(
            f"The importance ratio of a fresh on-policy batch must be 1, but at {bad.sum()} of {len(bad)} timesteps it "
            f"is off by more than {tolerance:.0e} (learner.algorithm.ratio_tolerance):\n" + "\n".join(lines) + "\n"
            "The learner computes another log-prob than the rollout actors did for the same weights. Check that both "
            "use the same sampler.guidance, sampler.eta, sampler.steps and scheduler; that policy.model is the same "
            "folder on every node; that nothing is random in the network (dropout); and, in half precision, that the "
            "tolerance allows for rounding (about 3e-3 for bfloat16)."
        )
    return worst


def check_same_steps(sampled: Array, scored: Array) -> None:
    """Raises RatioError if trajectories were sampled on other timesteps than the learner scores."""
    if not np.array_equal(scored, sampled):
        raise RatioError(
            f"The rollouts were sampled at timesteps {sampled.tolist()}, the learner's scheduler has "
            f"{scored.tolist()}. Give both the same sampler.steps and the same policy.model."
        )


class RatioCheck:
    """Runs `check_ratio` once, on a learner's first batch that is wholly on-policy; all workers raise together."""

    def __init__(self, steps: IntArray, tolerance: float, micro_batch: int) -> None:
        self._steps, self._tolerance, self._micro_batch = steps, tolerance, micro_batch
        self._done = False

    def __call__(
        self, rollouts: Rollouts, timesteps: Array, likelihood: Likelihood, engine: Engine
    ) -> dict[str, float]:
        """The statistic to report, if there was anything to check: scores a few of this worker's `rollouts` on the
        steps that may be trained. `timesteps` `[T]` are those of the trajectories."""
        fresh = all(engine.gather(bool((rollouts.lag == 0).all())))
        if self._done or not fresh:
            return {}
        rows = np.linspace(0, len(rollouts) - 1, min(SAMPLES, len(rollouts))).astype(np.int64)
        steps = self._steps
        pairs = MicroBatch(np.repeat(rows, len(steps)), np.tile(steps, len(rows)))
        scores = [likelihood.frozen(rollouts, part, engine) for part in pairs.cut(self._micro_batch)]
        mine = np.concatenate([score.cpu().numpy() for score in scores]).reshape(len(rows), -1)
        every = engine.gather((mine, rollouts.log_probs[rows][:, steps].numpy()))
        learner, behaviour = (np.concatenate(each) for each in zip(*every, strict=True))
        worst = check_ratio(learner, behaviour, timesteps[steps], self._tolerance)
        self._done = True
        return {"startup_ratio_off": float(worst.max())}
