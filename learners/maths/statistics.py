"""What an update did: the numbers that go to the curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from learners.maths.objectives import Clipped

FIELDS = ("log_prob", "behaviour", "lag", "outside", "weight", "loss", "kl")


class PairLog:
    """Every trained (sample, timestep) pair of one update on one worker, as columns named in `FIELDS`."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.float64]] = []

    def add(self, log_prob: Tensor, behaviour: Tensor, lag: Tensor, clipped: Clipped, kl: Tensor) -> None:
        """Records one micro-batch; all arguments `[b]`."""
        columns = (log_prob, behaviour, lag, clipped.outside, clipped.weight, clipped.loss, kl)
        self._rows.append(np.stack([c.detach().double().cpu().numpy() for c in columns]))

    def columns(self) -> NDArray[np.float64]:
        """`[len(FIELDS), pairs]` float64."""
        return np.concatenate(self._rows, axis=1)


def pair_statistics(columns: Sequence[NDArray[np.float64]], latent_size: int) -> dict[str, float]:
    """Statistics over all workers' `PairLog.columns()`; `latent_size` is the number of latent dimensions D.

    Log-probs are means over the D dimensions. A *pooled* ratio is the exponential of such a mean: it is always near 1,
    and so is the effective sample size of pooled ratios (`ess_pooled`), however stale the samples are. How far the
    policy has moved is told by the *un-pooled* KL from the policy that sampled, in nats per denoising step, by lag
    (`kl/lag0`, `kl/lag1`, …): ½ (D Δ)² with Δ the difference of mean log-probs. For two near Gaussians of one width
    its expectation is the KL up to O(KL²), and it scatters less than the plain -D Δ.
    """
    log = dict(zip(FIELDS, np.concatenate(columns, axis=1), strict=True))
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


def reward_statistics(rewards: NDArray[np.float32], advantages: NDArray[np.float32]) -> dict[str, float]:
    """Mean and deviation of all rewards of an update, and the deviation of their advantages; both `[P, k]`."""
    return {
        "reward/mean": float(rewards.mean(dtype=np.float64)),
        "reward/std": float(rewards.std(dtype=np.float64)),
        "advantage/std": float(advantages.std(dtype=np.float64)),
    }
