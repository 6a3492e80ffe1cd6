"""What a run changed, figure by figure: the rows of the report's table and of `salon compare`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.report.curves import WORDS
from cluster.tracking.evaluation import Change, Figure, bootstrap, compare, from_row
from cluster.tracking.history import RunHistory


def heldout_judges(config: Mapping[str, Any]) -> list[str]:
    """The names of the judges that watch and never enter the reward, from a run's config as read from YAML."""
    return judges_with(config, "audit")


def judges_with(config: Mapping[str, Any], role: str) -> list[str]:
    """The names of the judges of a role (train, audit, gate), from a run's config as read from YAML."""
    return [name for name, judge in _judges(config).items() if judge.get("role") == role]


def run_changes(history: RunHistory, config: Mapping[str, Any]) -> list[Change]:
    """Every figure before training and after it, or at the last evaluation of a run that goes on.

    The `config`, as read from YAML, says which judges are a CLIP, whatever their names."""
    before, after = history.evaluation("before"), history.evaluation("after")
    if after is None and len(history.evaluations) > 1:
        after = history.evaluations[-1]
    if before is None or after is None:
        return []
    clips = [name for name, judge in _judges(config).items() if judge.get("kind") == "clip"]
    changes = {change.key: change for change in compare(from_row(before), from_row(after), clips)}
    for key in [key for key in changes if key.endswith("/value")]:
        # A judge whose verdict is one of its scores says the same thing once.
        judge = key.removesuffix("/value")
        if any(
            c.before.by_prompt == changes[key].before.by_prompt
            for k, c in changes.items()
            if k != key and k.startswith(f"{judge}/")
        ):
            del changes[key]
    return list(changes.values())


def change_rows(changes: Sequence[Change], history: RunHistory, heldout: Sequence[str]) -> list[dict[str, Any]]:
    """The changes in words, the held-out judges' first, and how the train reward moved."""
    rows = [_row(c, heldout) for c in sorted(changes, key=lambda c: c.key.partition("/")[0] not in heldout)]
    _, rewards = history.series("reward/mean")
    if (w := min(5, len(rewards) // 2)) >= 2:
        first, last = (
            Figure("mean", statistics.fmean(part), *bootstrap(part), len(part), tuple(part))
            for part in (rewards[:w], rewards[-w:])
        )
        row = _row(Change("train/reward", first, last, last.value - first.value, math.nan, math.nan), heldout)
        rows.append(row | {"judge": "train reward", "label": f"first and last {w} updates"})
    return rows


def _judges(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return (config.get("rewards") or {}).get("judges") or {}


def _row(change: Change, heldout: Sequence[str]) -> dict[str, Any]:
    judge, _, score = change.key.partition("/")
    share = change.before.kind == "share"
    scale, unit, digits = (100, " points", 1) if share else (1, "", 3)
    amount = f"{change.change * scale:+.{digits}f}{unit}"
    if not share and change.before.value:
        amount += f" ({change.change / abs(change.before.value) * 100:+.0f} %)"
    interval = f"{change.low * scale:+.{digits}f} to {change.high * scale:+.{digits}f}"
    return {
        "judge": judge,
        "watches": judge in heldout,
        "label": WORDS.get(score, score.replace("_", " ")),
        "before": _value(change.before),
        "after": _value(change.after),
        "change": amount.replace("-", "−"),
        "interval": interval.replace("-", "−") if math.isfinite(change.low) else "",
        "limit": change.limit,
        "kept": change.kept,
        "n": change.after.n,
    }


def _value(figure: Figure) -> tuple[str, str]:
    if figure.kind == "share":
        return f"{figure.value * 100:.1f} %", f"{figure.low * 100:.1f} to {figure.high * 100:.1f}"
    return f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}"
