# pyright: strict
"""The known failures of a model: where it is worst, measured rather than told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Metrics = dict[str, float]
MARK = "weakest: "
"""Begins the names of such figures; a card shows them in a table of their own."""
CASES, SHOWN = 8, 3


def weakest(what: str, cases: Mapping[str, Sequence[float]]) -> Metrics:
    """The labels whose cases have the lowest mean, among those with `CASES` cases or more; `what` says of the numbers
    what they are, such as "recall of"."""
    return lowest(what, {label: sum(values) / len(values) for label, values in cases.items() if len(values) >= CASES})


def lowest(what: str, figures: Mapping[str, float]) -> Metrics:
    """The `SHOWN` labels with the lowest figures."""
    return {f"{MARK}{what} {label}": figures[label] for label in sorted(figures, key=lambda one: figures[one])[:SHOWN]}
