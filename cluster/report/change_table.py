# pyright: strict
"""What a run changed, metric by metric: the rows of the report's table and of `salon compare`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from cluster.tracking.conditions import Conditions, differences, other_judges
from cluster.tracking.evaluation import Change, Metric, bootstrap, compare, from_row
from cluster.tracking.history import Row, RunHistory
from cluster.tracking.judges import RunJudges


def ends(history: RunHistory, *, plain: bool = False) -> tuple[Row, Row] | None:
    """The evaluation before training and the one after it, or the last of a run that has not ended; None without two.

    `plain`: those of pictures that plain diffusers drew.
    """
    made = history.plain_evaluations if plain else history.evaluations
    before, after = (history.evaluation(when, plain=plain) for when in ("before", "after"))
    if after is None and len(made) > 1:
        after = made[-1]
    return None if before is None or after is None else (before, after)


def run_changes(history: RunHistory, judges: RunJudges, *, plain: bool = False) -> list[Change]:
    """Every metric before training and after it, where the two evaluations were made alike (see `not_compared`)."""
    pair = ends(history, plain=plain)
    if pair is None:
        return []
    before, after = pair
    conditions = Conditions.from_row(before), Conditions.from_row(after)
    if differences(*conditions):
        return []
    others = other_judges(*conditions)
    found = compare(from_row(before), from_row(after), judges)
    changes = {change.key: change for change in found if change.key.partition("/")[0] not in others}
    for key in [key for key in changes if key.endswith("/value")]:
        # A verdict's value that is one of its sub-scores would only stand there twice.
        judge = key.removesuffix("/value")
        if any(
            c.before.by_prompt == changes[key].before.by_prompt
            for k, c in changes.items()
            if k != key and k.startswith(f"{judge}/")
        ):
            del changes[key]
    return list(changes.values())


def not_compared(history: RunHistory, *, plain: bool = False) -> list[str]:
    """What of the evaluations before and after training is not compared, and why, each in a sentence."""
    pair = ends(history, plain=plain)
    if pair is None:
        return []
    before, after = (Conditions.from_row(row) for row in pair)
    if found := differences(before, after):
        return [
            f"The evaluations before and after training were not made alike and are not compared: {', '.join(found)}."
        ]
    return [
        f"Judge {judge} was another version before training than after it: its metrics are not compared."
        for judge in other_judges(before, after)
    ]


def change_rows(changes: Sequence[Change], history: RunHistory, judges: RunJudges) -> list[dict[str, Any]]:
    """The changes in words, those of audit judges first, and how the train reward moved."""
    rows = [_row(c, judges) for c in sorted(changes, key=lambda c: c.key.partition("/")[0] not in judges.audit)]
    _, rewards = history.series("reward/mean")
    if (w := min(5, len(rewards) // 2)) >= 2:
        first, last = (
            Metric("mean", statistics.fmean(part), *bootstrap(part), len(part), tuple(part))
            for part in (rewards[:w], rewards[-w:])
        )
        row = _row(Change("train/reward", first, last, last.value - first.value, math.nan, math.nan), judges)
        rows.append(row | {"judge": "train reward", "label": f"first and last {w} updates"})
    return rows


def _row(change: Change, judges: RunJudges) -> dict[str, Any]:
    judge = change.key.partition("/")[0]
    share = change.before.kind == "share"
    scale, unit, digits = (100, " points", 1) if share else (1, "", 3)
    amount = f"{change.change * scale:+.{digits}f}{unit}"
    if not share and change.before.value:
        amount += f" ({change.change / abs(change.before.value) * 100:+.0f} %)"
    interval = f"{change.low * scale:+.{digits}f} to {change.high * scale:+.{digits}f}"
    return {
        "judge": judge,
        "watches": judge in judges.audit,
        "label": judges.label(change.key),
        "before": _value(change.before),
        "after": _value(change.after),
        "change": amount.replace("-", "−"),
        "interval": interval.replace("-", "−") if math.isfinite(change.low) else "",
        "limit": change.limit,
        "kept": change.kept,
        "n": change.after.n,
    }


def _value(metric: Metric) -> tuple[str, str]:
    if metric.kind == "share":
        return f"{metric.value * 100:.1f} %", f"{metric.low * 100:.1f} to {metric.high * 100:.1f}"
    return f"{metric.value:.3f}", f"{metric.low:.3f} to {metric.high:.3f}"
