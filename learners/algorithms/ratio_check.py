# pyright: strict
"""The start-up check: on fresh samples, learner and actor must agree on every log-prob."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from actors.recording import Recording
from actors.trajectory import Trajectories
from learners.sources.source import TrainingStopped
from rewards.arrays import Array, IntArray

if TYPE_CHECKING:
    from learners.algorithms.likelihood import Likelihood, Rollouts
    from learners.engine import Engine

# Samples of each worker's first batch on which the check runs over all timesteps.
SAMPLES = 8


class RatioError(TrainingStopped):
    """Learner and rollout actor disagree about the policy's log-probs, so every gradient would be wrong."""


def check_ratio(learner: Array, behaviour: Array, timesteps: Array, tolerance: float) -> dict[float, float]:
    """Timestep → the largest |r - 1| there, of on-policy samples; raises RatioError where one is > `tolerance`.

    `learner` and `behaviour` are log-probs `[b]` of the same transitions under the same weights, from the learner's and
    from the rollout actor's code; `timesteps` `[b]` says where they were. A log-prob that is not finite counts as
    infinitely far off.
    """
    # NaN compares false with everything; as infinity it is reported instead of passed.
    off = np.abs(np.expm1(learner.astype(np.float64) - behaviour.astype(np.float64)))
    off = np.where(np.isfinite(off), off, np.inf)
    worst = {float(t): float(off[timesteps == t].max()) for t in np.unique(timesteps)[::-1]}
    bad = {t: w for t, w in worst.items() if w > tolerance}
    if bad:
        lines = [f"  timestep {t:4.0f}: |r - 1| = {w:.2e}" for t, w in bad.items()]
        raise RatioError(
            f"The importance ratio of a fresh on-policy batch must be 1, but at {len(bad)} of {len(worst)} timesteps "
            f"it is off by more than {tolerance:.0e} (learner.algorithm.ratio_tolerance):\n" + "\n".join(lines) + "\n"
            "The learner computes another log-prob than the rollout actors did for the same weights. Check that both "
            "use the same sampler.guidance, sampler.eta, sampler.steps and scheduler; that policy.model is the same "
            "folder on every node; that nothing is random in the network (dropout); and, in half precision, that the "
            "tolerance allows for rounding (about 3e-3 for bfloat16)."
        )
    return worst


def check_same_steps(made: Trajectories, scored: Array, recording: Recording) -> None:
    """Raises RatioError if trajectories were sampled on other timesteps than the learner's, `scored` `[T]`, or recorded
    at other steps than it trains."""
    if not np.array_equal(scored, made.timesteps):
        raise RatioError(
            f"The rollouts were sampled at timesteps {made.timesteps.tolist()}, the learner's scheduler has "
            f"{scored.tolist()}. Give both the same sampler.steps and the same policy.model."
        )
    if made.span != (span := recording.span(made.ticket.index)):
        raise RatioError(
            f"The rollouts of group {made.ticket.index} have steps {_in_words(made.span)} recorded, the learner trains "
            f"{_in_words(span)}. Give both the same seed, sampler and learner.algorithm."
        )


def _in_words(span: range) -> str:
    return f"{span.start + 1} to {span.stop}" if span else "none"


class RatioCheck:
    """Runs `check_ratio` once, on a learner's first batch that is wholly on-policy; all workers raise together."""

    def __init__(self, offsets: IntArray, tolerance: float, micro_batch: int) -> None:
        """`offsets`: the steps that may be trained, counted from a trajectory's first recorded one."""
        self._offsets, self._tolerance, self._micro_batch = offsets, tolerance, micro_batch
        self._done = False

    def __call__(self, rollouts: Rollouts, likelihood: Likelihood, engine: Engine) -> dict[str, float]:
        """The statistic to report, if there was anything to check: scores a few of this worker's `rollouts` on the
        steps that may be trained."""
        fresh = all(engine.gather(bool((rollouts.lag == 0).all())))
        if self._done or not fresh:
            return {}
        rows = np.linspace(0, len(rollouts) - 1, min(SAMPLES, len(rollouts))).astype(np.int64)
        pairs = rollouts.pairs(np.repeat(rows, len(self._offsets)), np.tile(self._offsets, len(rows)))
        scores = [likelihood.frozen(rollouts, part, engine) for part in pairs.cut(self._micro_batch)]
        mine = np.concatenate([score.cpu().numpy() for score in scores])
        every = engine.gather((mine, rollouts.behaviour(pairs).numpy(), likelihood.timesteps[pairs.step]))
        learner, behaviour, timesteps = (np.concatenate(each) for each in zip(*every, strict=True))
        worst = check_ratio(learner, behaviour, timesteps, self._tolerance)
        self._done = True
        return {"startup_ratio_off": max(worst.values())}
