# pyright: strict
"""What a set of judged pictures amounts to, and whether it changed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from cluster.tracking.history import is_number
from rewards.arrays import FloatArray
from rewards.panel.metrics import pairwise_distances
from rewards.verdict import Verdict

Z = 1.959963984540054  # 95 % of a normal distribution lie within ± Z
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Figure:
    """One number about `n` pictures with its 95 % interval, and the same number for each prompt (NaN: not measured).

    `share` figures are proportions in 0..1 with Wilson's interval; `mean` figures have a bootstrap interval over
    prompts, because the pictures of one prompt are not independent.
    """

    kind: Literal["share", "mean"]
    value: float
    low: float
    high: float
    n: int
    by_prompt: tuple[float, ...]


def measure(verdicts: Mapping[str, Sequence[Verdict]], prompts: Sequence[str]) -> dict[str, Figure]:
    """The figures of judged pictures: `verdicts[judge][i]` and `prompts[i]` belong to picture i.

    Keys: `JUDGE/value` (the mean verdict), `JUDGE/SCORE` for every sub-score (`heldout/artifact_free`,
    `heldout/animal`, ...; a share when it is always 0 or 1), `JUDGE/diversity` (mean distance between the unit-length
    features of two pictures of the same prompt, 0..2). A verdict that is not `ok` counts nowhere; a judge without any
    `ok` verdict has no figure. Raises ValueError when the lengths differ.
    """
    figures: dict[str, Figure] = {}
    for judge, told in verdicts.items():
        if len(told) != len(prompts):
            raise ValueError(f"judge {judge!r}: {len(told)} verdicts for {len(prompts)} pictures")
        scored = [(prompt, verdict) for prompt, verdict in zip(prompts, told, strict=True) if verdict.status == "ok"]
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
                figures[f"{judge}/{key}"] = _figure([column.get(prompt, []) for prompt in order], share=key != "value")
        distances = [pairwise_distances(features.get(prompt, [])) for prompt in order]
        if any(distances):
            figures[f"{judge}/diversity"] = _figure([[float(np.mean(d))] if d else [] for d in distances], share=False)
    return figures


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


def to_row(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """The figures as the keys of an evaluation row: `KEY`, `KEY/low`, `KEY/high`, and the rest under `figures`."""
    row: dict[str, Any] = {}
    for key, figure in figures.items():
        row |= {key: figure.value, f"{key}/low": figure.low, f"{key}/high": figure.high}
    row["figures"] = {
        key: {"kind": figure.kind, "n": figure.n, "by_prompt": list(figure.by_prompt)}
        for key, figure in figures.items()
    }
    return row


def from_row(row: Mapping[str, Any]) -> dict[str, Figure]:
    """The figures that `to_row` put into an evaluation row."""
    figures: dict[str, Figure] = {}
    for key, rest in cast("Mapping[str, Any]", row.get("figures", {})).items():
        if is_number(row.get(key)):
            value, low, high = (_number(row.get(name)) for name in (key, f"{key}/low", f"{key}/high"))
            by_prompt = tuple(_number(part) for part in rest["by_prompt"])
            figures[key] = Figure(rest["kind"], value, low, high, int(rest["n"]), by_prompt)
    return figures


@dataclass(frozen=True, slots=True)
class Change:
    """How one figure moved between two evaluations of the same prompts and seeds.

    `change` is after − before, `low` and `high` its 95 % interval by a bootstrap over prompts, paired. `limit` says
    how far the figure may fall before a gain counts as bought, and `kept` whether it stayed within; None: no limit.
    """

    key: str
    before: Figure
    after: Figure
    change: float
    low: float
    high: float
    limit: str = ""
    kept: bool | None = None

    @property
    def certain(self) -> bool:
        """Whether the interval of the change leaves out zero."""
        return self.low > 0 or self.high < 0


def compare(before: Mapping[str, Figure], after: Mapping[str, Figure], aligning: Collection[str] = ()) -> list[Change]:
    """The change of every figure that both evaluations have, in the order of `before`; the values of the judges in
    `aligning` say how well a picture fits its prompt, and have a limit."""
    return [_change(key, figure, after[key], aligning) for key, figure in before.items() if key in after]


# How far a figure may fall while the reward rises. Recognition is in share points, the others are relative.
RECOGNITION_LIMIT = 0.03
ALIGNMENT_LIMIT = 0.05
DIVERSITY_LIMIT = 0.20
RECOGNITION = ("animal", "colour", "setting")


def _change(key: str, before: Figure, after: Figure, aligning: Collection[str]) -> Change:
    change = after.value - before.value
    low = high = change
    if len(before.by_prompt) == len(after.by_prompt):
        low, high = bootstrap([b - a for a, b in zip(before.by_prompt, after.by_prompt, strict=True)])
    judge, _, score = key.partition("/")
    relative = change / abs(before.value) if before.value else math.copysign(math.inf, change) if change else 0.0
    if score in RECOGNITION:
        return Change(key, before, after, change, low, high, "−3 points", change >= -RECOGNITION_LIMIT)
    if judge in aligning and score == "value":
        return Change(key, before, after, change, low, high, "−5 %", relative >= -ALIGNMENT_LIMIT)
    if score == "diversity":
        return Change(key, before, after, change, low, high, "−20 %", relative >= -DIVERSITY_LIMIT)
    return Change(key, before, after, change, low, high)


def _number(value: Any) -> float:
    return float(value) if is_number(value) else math.nan


def _figure(by_prompt: Sequence[Sequence[float]], *, share: bool) -> Figure:
    values = [value for group in by_prompt for value in group]
    means = tuple(float(np.mean(group)) if group else math.nan for group in by_prompt)
    if share and all(value in (0.0, 1.0) for value in values):
        return Figure("share", sum(values) / len(values), *wilson(sum(values), len(values)), len(values), means)
    return Figure("mean", float(np.mean(values)), *bootstrap(means), len(values), means)
