"""Metrics of judged pictures for the curves: means of sub-scores, diversity, cache hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rewards.arrays import FloatArray
from rewards.verdict import Verdict


def group_metrics(verdicts: Mapping[str, Sequence[Verdict]]) -> dict[str, float]:
    """Metrics of the pictures of *one* prompt, by key: `JUDGE/SCORE`, the mean of a sub-score, and `JUDGE/diversity`,
    the mean distance between two pictures in the judge's features, both of verdicts that are `ok`; and of a judge with
    a cache `JUDGE/cache_share`, the share of verdicts that came from it."""
    metrics: dict[str, float] = {}
    for judge, made in verdicts.items():
        ok = [verdict for verdict in made if verdict.status == "ok"]
        for score in dict.fromkeys(key for verdict in ok for key in verdict.scores):
            values = [verdict.scores[score] for verdict in ok if score in verdict.scores]
            metrics[f"{judge}/{score}"] = float(np.mean(values))
        distances = pairwise_distances([np.asarray(v.features, np.float64) for v in ok if v.features is not None])
        if distances:
            metrics[f"{judge}/diversity"] = float(np.mean(distances))
        remembered = [verdict.remembered for verdict in made if verdict.remembered is not None]
        if remembered:
            metrics[f"{judge}/cache_share"] = float(np.mean(remembered))
    return metrics


def pairwise_distances(features: Sequence[FloatArray]) -> list[float]:
    """Euclidean distances, 0..2, between every two of `features` (`n` vectors) scaled to unit length."""
    if len(features) < 2:
        return []
    unit = np.stack([vector.ravel() for vector in features])
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    squared = np.maximum(2.0 - 2.0 * (unit @ unit.T), 0.0)
    return [float(d) for d in np.sqrt(squared)[np.triu_indices(len(unit), k=1)]]
