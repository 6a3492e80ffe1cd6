# pyright: strict
"""Metrics of a set of judged pictures with their intervals, and how they changed between two evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from cluster.tracking.history import is_number
from cluster.tracking.judges import RunJudges
from rewards.arrays import FloatArray
from rewards.judge import SubScore
from rewards.panel.metrics import pairwise_distances
from rewards.verdict import Verdict

Z = 1.959963984540054  # 95 % of a normal distribution lie within ± Z
RESAMPLES = 2000
DIVERSITY_FALL = 0.20
"""how far the diversity within a prompt may fall, relatively, before a gain counts as bought"""
DETAILS = "figures"
"""key of an evaluation row, in every `metrics.jsonl` that there is, for what is more than one number"""


@dataclass(frozen=True, slots=True)
class Metric:
    """A mean over `n` pictures with its 95 % interval, and the same mean for each prompt (NaN: not measured).

    A `share` is a proportion in 0..1 with Wilson's interval; a `mean` has a bootstrap interval over prompts, because
    the pictures of one prompt are not independent.
    """

    kind: Literal["share", "mean"]
    value: float
    low: float
    high: float
    n: int
    by_prompt: tuple[float, ...]


def measure(verdicts: Mapping[str, Sequence[Verdict]], prompts: Sequence[str]) -> dict[str, Metric]:
    """Metrics of judged pictures: `verdicts[judge][i]` and `prompts[i]` belong to picture i.

    Keys: `JUDGE/value` (the mean verdict), `JUDGE/SCORE` for every sub-score (a share when it is always 0 or 1),
    `JUDGE/diversity` (mean distance between the unit-length features of two pictures of the same prompt, 0..2). A
    verdict that is not `ok` counts nowhere; a judge without any `ok` verdict has no metrics. Raises ValueError when the
    lengths differ.
    """
    metrics: dict[str, Metric] = {}
    for judge, its in verdicts.items():
        if len(its) != len(prompts):
            raise ValueError(f"judge {judge!r}: {len(its)} verdicts for {len(prompts)} pictures")
        scored = [(prompt, verdict) for prompt, verdict in zip(prompts, its, strict=True) if verdict.status == "ok"]
        columns: dict[str, dict[str, list[float]]] = {"value": {}}
        features: dict[str, list[FloatArray]] = {}
        for prompt, verdict in scored:
            for key, value in {**verdict.scores, "value": cast("float", verdict.value)}.items():
                columns.setdefault(key, {}).setdefault(prompt, []).append(float(value))
            if verdict.features is not None:
                features.setdefault(prompt, []).append(np.asarray(verdict.features, dtype=np.float64).ravel())
        order = list(dict.fromkeys(prompts))
        for key, column in columns.items():
            if column:
                metrics[f"{judge}/{key}"] = _metric([column.get(prompt, []) for prompt in order], share=key != "value")
        distances = [pairwise_distances(features.get(prompt, [])) for prompt in order]
        if any(distances):
            metrics[f"{judge}/diversity"] = _metric([[float(np.mean(d))] if d else [] for d in distances], share=False)
    return metrics


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a proportion (Wilson 1927); stays inside 0..1 and has width at 0 and 1."""
    p, z2 = successes / n, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # Rounding must not push an end past the proportion it belongs to.
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def bootstrap(by_prompt: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean of `by_prompt` (NaN left out), resampling whole prompts; seeded."""
    values = np.asarray(by_prompt, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan
    drawn = np.random.default_rng(seed).integers(0, len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def to_row(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """The metrics as keys of an evaluation row: `KEY`, `KEY/low`, `KEY/high`, and the rest under `figures`."""
    row: dict[str, Any] = {}
    for key, metric in metrics.items():
        row |= {key: metric.value, f"{key}/low": metric.low, f"{key}/high": metric.high}
    row[DETAILS] = {
        key: {"kind": metric.kind, "n": metric.n, "by_prompt": list(metric.by_prompt)}
        for key, metric in metrics.items()
    }
    return row


def from_row(row: Mapping[str, Any]) -> dict[str, Metric]:
    """The metrics that `to_row` put into an evaluation row."""
    metrics: dict[str, Metric] = {}
    for key, rest in cast("Mapping[str, Any]", row.get(DETAILS, {})).items():
        if is_number(row.get(key)):
            value, low, high = (_number(row.get(name)) for name in (key, f"{key}/low", f"{key}/high"))
            by_prompt = tuple(_number(part) for part in rest["by_prompt"])
            metrics[key] = Metric(rest["kind"], value, low, high, int(rest["n"]), by_prompt)
    return metrics


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one metric between two evaluations of the same prompts and seeds.

    `change` is after − before, `low` and `high` its 95 % interval by a bootstrap over prompts, paired. `limit` says
    how far the metric may fall before a gain counts as bought, and `kept` whether it stayed within; None: no limit.
    """

    key: str
    before: Metric
    after: Metric
    change: float
    low: float
    high: float
    limit: str = ""
    kept: bool | None = None

    @property
    def certain(self) -> bool:
        """Whether the interval of the change leaves out zero."""
        return self.low > 0 or self.high < 0


def compare(before: Mapping[str, Metric], after: Mapping[str, Metric], judges: RunJudges) -> list[Change]:
    """The change of every metric that both evaluations have, in the order of `before`, with its limit if it has one:
    the fall that its judge declares as tolerated, and `DIVERSITY_FALL` for every judge's diversity."""
    return [_change(key, metric, after[key], judges.sub_score(key)) for key, metric in before.items() if key in after]


def _change(key: str, before: Metric, after: Metric, declared: SubScore) -> Change:
    change = after.value - before.value
    low = high = change
    if len(before.by_prompt) == len(after.by_prompt):
        low, high = bootstrap([b - a for a, b in zip(before.by_prompt, after.by_prompt, strict=True)])
    fall, relative = declared.tolerated_fall, declared.relative
    if key.endswith("/diversity"):
        fall, relative = DIVERSITY_FALL, True
    if fall is None:
        return Change(key, before, after, change, low, high)
    moved = change
    if relative:
        moved = change / abs(before.value) if before.value else math.copysign(math.inf, change) if change else 0.0
    limit = f"−{100 * fall:g} %" if relative else f"−{100 * fall:g} points" if declared.share else f"−{fall:g}"
    return Change(key, before, after, change, low, high, limit, moved >= -fall)


def _number(value: Any) -> float:
    return float(value) if is_number(value) else math.nan


def _metric(by_prompt: Sequence[Sequence[float]], *, share: bool) -> Metric:
    values = [value for group in by_prompt for value in group]
    means = tuple(float(np.mean(group)) if group else math.nan for group in by_prompt)
    if share and all(value in (0.0, 1.0) for value in values):
        return Metric("share", sum(values) / len(values), *wilson(sum(values), len(values)), len(values), means)
    return Metric("mean", float(np.mean(values)), *bootstrap(means), len(values), means)
