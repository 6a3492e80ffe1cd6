"""Saliency metrics of predicted heatmaps: those that Rich Human Feedback reports.

`predicted` and `truth` are maps `[h, w]` of non-negative numbers. The definitions are those of Bylinskii et al., "What
do different evaluation metrics tell us about saliency models?" (arXiv 1604.03605). NSS and AUC-Judd need fixations:
these are the pixels where the truth is above 0; there must be one, and a pixel that is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from rewards.arrays import Array

EPSILON = 1e-7


def cc(predicted: Array, truth: Array) -> float:
    """Pearson's correlation of the pixels, -1..1; 0 if one of the maps is constant."""
    a, b = _standardised(predicted), _standardised(truth)
    return float((a * b).mean())


def sim(predicted: Array, truth: Array) -> float:
    """The histogram intersection of the maps, scaled to sum 1: 1 if they are equal, 0 if they are disjoint."""
    return float(np.minimum(_shares(predicted), _shares(truth)).sum())


def kld(predicted: Array, truth: Array) -> float:
    """The Kullback-Leibler divergence of `predicted` from `truth`, both scaled to sum 1, in nats; 0 is best."""
    p, q = _shares(predicted), _shares(truth)
    return float((q * np.log(EPSILON + q / (p + EPSILON))).sum())


def nss(predicted: Array, truth: Array) -> float:
    """The mean of the standardised `predicted` at the fixations; 0 is chance, higher is better."""
    return float(_standardised(predicted)[truth > 0].mean())


def auc_judd(predicted: Array, truth: Array) -> float:
    """The area under the ROC curve of `predicted` as a classifier of fixations, 0..1; ties count half."""
    fixated = truth > 0
    n, m = int(fixated.sum()), int((~fixated).sum())
    ranks = rankdata(predicted.ravel())[fixated.ravel()]
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))


def saliency_metrics(predicted: Sequence[Array], truth: Sequence[Array]) -> dict[str, float]:
    """The paper's table over several maps: MSE over all, "MSE (empty)" over maps whose truth is 0 everywhere, and the
    means of the other metrics over the rest. A metric without maps is left out."""
    pairs = list(zip(predicted, truth, strict=True))
    errors = [float(np.square(p - t).mean()) for p, t in pairs]
    empty = [error for error, (_, t) in zip(errors, pairs, strict=True) if not t.any()]
    marked = [(p, t) for p, t in pairs if t.any() and not t.all()]
    measures = {"CC": cc, "AUC-Judd": auc_judd, "NSS": nss, "SIM": sim, "KLD": kld}
    return {
        **({name: float(np.mean([f(p, t) for p, t in marked])) for name, f in measures.items()} if marked else {}),
        "MSE": float(np.mean(errors)),
        **({"MSE (empty)": float(np.mean(empty))} if empty else {}),
    }


def _standardised(values: Array) -> Array:
    flat = values.max() == values.min()
    return np.zeros_like(values) if flat else (values - values.mean()) / values.std()


def _shares(values: Array) -> Array:
    """The map scaled to sum 1; uniform if it is 0 everywhere."""
    total = values.sum()
    return values / total if total > 0 else np.full_like(values, 1 / values.size)
