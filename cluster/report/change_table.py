# pyright: strict
"""What a run changed, metric by metric: the rows of the report's table and of `salon compare`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from cluster.tracking.evaluation import Change, Metric, bootstrap, compare, from_row
from cluster.tracking.history import RunHistory
from cluster.tracking.judges import RunJudges


def run_changes(history: RunHistory, judges: RunJudges) -> list[Change]:
    """Every metric before training and after it, or at the last evaluation of a run that has not ended."""
    before, after = history.evaluation("before"), history.evaluation("after")
    if after is None and len(history.evaluations) > 1:
        after = history.evaluations[-1]
    if before is None or after is None:
        return []
    changes = {change.key: change for change in compare(from_row(before), from_row(after), judges)}
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
