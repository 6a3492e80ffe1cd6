# pyright: strict
"""How well a heatmap fits another: the measures of saliency that Rich Human Feedback reports.

`said` and `truth` are maps `[h, w]` of numbers that are not negative. Definitions: Bylinskii et al., "What do different
evaluation metrics tell us about saliency models?" (arXiv 1604.03605). Where a measure needs fixations, these are the
pixels that the truth marks at all; such a truth must mark some pixel and leave another unmarked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from rewards.arrays import Array

EPSILON = 1e-7


def cc(said: Array, truth: Array) -> float:
    """Pearson's correlation of the pixels, -1..1; 0 if one of the maps is flat."""
    a, b = _standardised(said), _standardised(truth)
    return float((a * b).mean())


def sim(said: Array, truth: Array) -> float:
    """The intersection of the maps as histograms of sum 1; 1 if they are the same, 0 if they don't meet."""
    return float(np.minimum(_shares(said), _shares(truth)).sum())


def kld(said: Array, truth: Array) -> float:
    """Kullback-Leibler divergence of `said` from `truth`, both of sum 1, in nats; 0 is best."""
    p, q = _shares(said), _shares(truth)
    return float((q * np.log(EPSILON + q / (p + EPSILON))).sum())


def nss(said: Array, truth: Array) -> float:
    """The mean at fixations of `said` in standard deviations from its mean; 0 is chance, more is better."""
    return float(_standardised(said)[truth > 0].mean())


def auc_judd(said: Array, truth: Array) -> float:
    """The area under the ROC curve that tells fixations from other pixels by `said`, 0..1; equal values count half."""
    fixated = truth > 0
    n, m = int(fixated.sum()), int((~fixated).sum())
    ranks = rankdata(said.ravel())[fixated.ravel()]
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))


def saliency_metrics(said: Sequence[Array], truth: Sequence[Array]) -> dict[str, float]:
    """The paper's table for many maps: MSE on all, "MSE (empty)" on truths that mark nothing, means of the others on
    the rest. Figures without a map to count are left out."""
    pairs = list(zip(said, truth, strict=True))
    errors = [float(np.square(s - t).mean()) for s, t in pairs]
    empty = [error for error, (_, t) in zip(errors, pairs, strict=True) if not t.any()]
    marked = [(s, t) for s, t in pairs if t.any() and not t.all()]
    measures = {"CC": cc, "AUC-Judd": auc_judd, "NSS": nss, "SIM": sim, "KLD": kld}
    return {
        **({name: float(np.mean([f(s, t) for s, t in marked])) for name, f in measures.items()} if marked else {}),
        "MSE": float(np.mean(errors)),
        **({"MSE (empty)": float(np.mean(empty))} if empty else {}),
    }


def _standardised(values: Array) -> Array:
    flat = values.max() == values.min()
    return np.zeros_like(values) if flat else (values - values.mean()) / values.std()


def _shares(values: Array) -> Array:
    """The map with sum 1; one that is nothing anywhere counts as the same everywhere."""
    total = values.sum()
    return values / total if total > 0 else np.full_like(values, 1 / values.size)
