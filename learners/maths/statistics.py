"""Statistics of one update: the numbers of its curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Num
from torch import Tensor

from learners.maths.objectives import Clipped
from rewards.arrays import Float32Array, FloatArray

FIELDS = ("log_prob", "behaviour", "lag", "outside", "weight", "loss", "kl")


class PairLog:
    """Every trained (sample, timestep) pair of one update on one worker, as columns named in `FIELDS`."""

    def __init__(self) -> None:
        self._rows: list[FloatArray] = []

    def add(
        self,
        log_prob: Float[Tensor, " b"],
        behaviour: Float[Tensor, " b"],
        lag: Num[Tensor, " b"],
        clipped: Clipped,
        kl: Float[Tensor, " b"],
    ) -> None:
        """Adds the b pairs of one micro-batch."""
        columns = (log_prob, behaviour, lag, clipped.outside, clipped.weight, clipped.loss, kl)
        self._rows.append(np.stack([c.detach().double().cpu().numpy() for c in columns]))

    def columns(self) -> Float[FloatArray, "fields pairs"]:
        """All pairs, a row for each of `FIELDS`."""
        return np.concatenate(self._rows, axis=1)


def pair_statistics(columns: Sequence[Float[FloatArray, "fields _"]], latent_size: int) -> dict[str, float]:
    """Statistics over all workers' `PairLog.columns()`; `latent_size` is the number of latent dimensions D.

    Log-probs are means over the D dimensions. A *pooled* ratio is the exponential of such a mean: it is always near 1,
    and so is the effective sample size of pooled ratios (`ess_pooled`), however stale the samples are. How far the
    policy has moved shows in the *un-pooled* KL from the policy that sampled, in nats per denoising step, by lag
    (`kl/lag0`, `kl/lag1`, …): ½ (D Δ)² with Δ the difference of mean log-probs. For two near Gaussians of one width
    its expectation is the KL up to O(KL²), and it scatters less than the plain -D Δ.
    """
    pairs: FloatArray = np.concatenate(columns, axis=1)
    log = dict(zip(FIELDS, pairs, strict=True))
    delta = log["log_prob"] - log["behaviour"]
    ratio = np.exp(delta)
    stats = {
        "loss": log["loss"].mean(),
        "kl_base": log["kl"].mean(),
        "clip_fraction": log["outside"].mean(),
        "ratio/mean": ratio.mean(),
        "ratio/max": ratio.max(),
        "weight/mean": log["weight"].mean(),
        "ess_pooled": ratio.sum() ** 2 / (len(ratio) * (ratio**2).sum()),
        "lag/mean": log["lag"].mean(),
        "lag/max": log["lag"].max(),
    }
    for lag in np.unique(log["lag"]):
        at = log["lag"] == lag
        stats[f"kl/lag{lag:.0f}"] = (0.5 * (latent_size * delta[at]) ** 2).mean()
        stats[f"clip_fraction/lag{lag:.0f}"] = log["outside"][at].mean()
    return {name: float(value) for name, value in stats.items()}


def reward_statistics(rewards: Float[Float32Array, "P k"], advantages: Float[Float32Array, "P k"]) -> dict[str, float]:
    """Mean and deviation of all rewards of an update, and the deviation of their advantages."""
    return {
        "reward/mean": float(rewards.mean(dtype=np.float64)),
        "reward/std": float(rewards.std(dtype=np.float64)),
        "advantage/std": float(advantages.std(dtype=np.float64)),
    }
