# pyright: strict
"""The start-up check: on fresh samples, learner and actor must agree on every log-prob."""

from __future__ import annotations

import numpy as np

from rewards.arrays import Array, FloatArray


class RatioError(RuntimeError):
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
            f"is off by more than {tolerance:.0e} (learner.ratio_tolerance):\n" + "\n".join(lines) + "\n"
            "The learner computes another log-prob than the rollout actors did for the same weights. Check that both "
            "use the same sampler.guidance, sampler.eta, sampler.steps and scheduler; that policy.model is the same "
            "folder on every node; that nothing is random in the network (dropout); and, in half precision, that the "
            "tolerance allows for rounding (about 3e-3 for bfloat16)."
        )
    return worst
