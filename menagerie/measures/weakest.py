# pyright: strict
"""Known failures of a model: the labels (categories, animals, question types) on which it is worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Metrics = dict[str, float]
MARK = "weakest: "
"""The prefix of metrics that are known failures; a card has a table of its own for them."""
CASES, SHOWN = 8, 3
"""Cases that a label needs in order to count, and labels that are shown."""


def weakest(name: str, cases: Mapping[str, Sequence[float]]) -> Metrics:
    """The labels with the lowest mean over their cases, of those with at least `CASES`.

    `name`, such as "recall of", completes the name of a metric: "weakest: recall of omitted".
    """
    return lowest(name, {label: sum(values) / len(values) for label, values in cases.items() if len(values) >= CASES})


def lowest(name: str, metrics: Mapping[str, float]) -> Metrics:
    """The `SHOWN` labels with the lowest metric, the lowest first."""
    return {f"{MARK}{name} {label}": metrics[label] for label in sorted(metrics, key=lambda one: metrics[one])[:SHOWN]}
