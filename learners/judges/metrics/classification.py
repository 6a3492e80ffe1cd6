# pyright: strict
"""How well a judge names artifacts: SynArtifact's four classification metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rewards.judges.synartifact.taxonomy import NO_ARTIFACTS


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Exact-match accuracy, and precision, recall and F1 averaged over pictures; all 0..1.

    "No artifacts" is a label like the others (arXiv 2402.18068, Table 1). A judge that abstains has given no label: its
    precision and recall for that picture are 0.
    """

    exact: float
    precision: float
    recall: float
    f1: float

    @classmethod
    def of(cls, said: Sequence[Iterable[str] | None], truth: Sequence[Iterable[str]]) -> LabelScores:
        """Scores of `said` (None: abstained) against `truth`, both per picture; an empty set means no artifacts."""
        if len(said) != len(truth) or not truth:
            raise ValueError(f"{len(said)} answers for {len(truth)} pictures")
        rows = [_row(None if s is None else _labels(s), _labels(t)) for s, t in zip(said, truth, strict=True)]
        exact, precision, recall, f1 = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        return cls(exact, precision, recall, f1)


def _labels(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names) or frozenset([NO_ARTIFACTS])


def _row(said: frozenset[str] | None, truth: frozenset[str]) -> tuple[float, float, float, float]:
    if said is None:
        return 0.0, 0.0, 0.0, 0.0
    hit = len(said & truth)
    precision, recall = hit / len(said), hit / len(truth)
    f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
    return float(said == truth), precision, recall, f1
