"""How well a rich-feedback model agrees with its annotators: the metrics of Rich Human Feedback (arXiv 2312.10240).

Scores by Pearson's and Spearman's correlation, heatmaps by the measures of saliency, misaligned words by precision,
recall and F1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from learners.judges.metrics.saliency import saliency_metrics
from rewards.arrays import Array, Float32Array, ImageArray
from rewards.models.rahf import HEATMAPS, SCORES
from rewards.panel.agreement import Agreement
from rewards.verdict import Verdict


def rich_feedback_metrics(
    verdicts: Sequence[Verdict],
    scores: Float32Array,
    maps: ImageArray,
    prompts: Sequence[str],
    misaligned: Sequence[Sequence[bool]],
) -> dict[str, float]:
    """All metrics of `n` verdicts against the labels: `scores` `[n, 4]`, `maps` `[n, 2, h, w]`, and for each word
    of the prompts whether it is misaligned."""
    found = score_metrics(verdicts, scores)
    for k, name in enumerate(HEATMAPS):
        found |= heatmap_metrics(name, verdicts, maps[:, k])
    return found | word_metrics([v.words for v in verdicts], prompts, misaligned)


def score_metrics(verdicts: Sequence[Verdict], scores: Float32Array) -> dict[str, float]:
    found: dict[str, float] = {}
    for k, name in enumerate(SCORES):
        found |= correlations(name, np.array([v.scores[name] for v in verdicts]), scores[:, k])
    return found


def correlations(name: str, predicted: Array, truth: Array) -> dict[str, float]:
    """Pearson's and Spearman's correlation."""
    found = Agreement.of(predicted.tolist(), truth.tolist())
    return {f"{name} PLCC": found.plcc, f"{name} SRCC": found.srcc}


def heatmap_metrics(name: str, verdicts: Sequence[Verdict], maps: ImageArray) -> dict[str, float]:
    """Of the heatmaps `name` against `maps` `[n, h, w]`, where 255 is marked by all raters."""
    found = saliency_metrics([v.heatmaps[name] for v in verdicts], list(maps / 255))
    return {f"{name} {key}": value for key, value in found.items()}


def word_metrics(
    predicted: Sequence[Sequence[str]], prompts: Sequence[str], misaligned: Sequence[Sequence[bool]]
) -> dict[str, float]:
    """Over all words of all prompts; 0 where no word is predicted, or none is misaligned."""
    hits = marked = bad = 0
    for words, prompt, flags in zip(predicted, prompts, misaligned, strict=True):
        truth = [word for word, flag in zip(prompt.split(), flags, strict=True) if flag]
        hits += (Counter(words) & Counter(truth)).total()
        marked, bad = marked + len(words), bad + len(truth)
    return {
        "misaligned words precision": hits / max(marked, 1),
        "misaligned words recall": hits / max(bad, 1),
        "misaligned words F1": 2 * hits / max(marked + bad, 1),
    }
