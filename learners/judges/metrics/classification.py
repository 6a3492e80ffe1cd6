"""SynArtifact's four classification metrics: exact match, precision, recall and F1 of predicted categories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rewards.judges.synartifact.taxonomy import NO_ARTIFACTS


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Exact-match accuracy, and precision, recall and F1, which are means over pictures; all 0..1.

    "No artifacts" is a label like the others (arXiv 2402.18068, Table 1). If the judge abstains on a picture, all four
    are 0 for it.
    """

    exact: float
    precision: float
    recall: float
    f1: float

    @classmethod
    def of(cls, predicted: Sequence[Iterable[str] | None], truth: Sequence[Iterable[str]]) -> LabelScores:
        """Compares the labels of each picture; None is an abstention, an empty set means no artifacts."""
        if len(predicted) != len(truth) or not truth:
            raise ValueError(f"{len(predicted)} answers for {len(truth)} pictures")
        rows = [_row(None if p is None else _labels(p), _labels(t)) for p, t in zip(predicted, truth, strict=True)]
        exact, precision, recall, f1 = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        return cls(exact, precision, recall, f1)


def _labels(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names) or frozenset([NO_ARTIFACTS])


def _row(predicted: frozenset[str] | None, truth: frozenset[str]) -> tuple[float, float, float, float]:
    if predicted is None:
        return 0.0, 0.0, 0.0, 0.0
    hit = len(predicted & truth)
    precision, recall = hit / len(predicted), hit / len(truth)
    f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
    return float(predicted == truth), precision, recall, f1
