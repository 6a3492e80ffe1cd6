"""The audit in a report: the pictures that matter, and each judge's mean value and version over the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from markupsafe import Markup

from cluster.report.chart import line_chart
from cluster.report.curve import Line, end_value, read_number
from cluster.report.run_charts import Chart
from cluster.tracking.verdict_table import FOLDER, read_verdicts

SHOWN = 6


@dataclass(frozen=True)
class ShownPicture:
    """One judged picture: its thumbnail file, and its verdicts as (judge, value or status, text)."""

    file: Path
    prompt: str
    policy_version: int
    reward: float | None
    disagreement: float | None
    verdicts: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])


@dataclass(frozen=True)
class JudgeDrift:
    """One judge over the run: its mean value by the version of the policy that drew, and its own versions.

    `versions` has (hash, first and last policy version whose pictures it judged); a frozen judge has one.
    `without_value` is the share of verdicts that are not `ok`, `latency_s` the mean seconds of a verdict's model call.
    """

    judge: str
    policy_versions: list[int]
    means: list[float]
    versions: list[tuple[str, int, int]]
    verdicts: int
    without_value: float
    latency_s: float


class JuryReview:
    """The training pictures of a run's audit; evaluations have their own section of the report."""

    def __init__(self, run_dir: Path, damaged: list[str] | None = None) -> None:
        """Files that cannot be read are left out, and named in a line of `damaged`."""
        self._folder = run_dir / FOLDER
        table = read_verdicts(run_dir, damaged)
        self._table = table.filter(pc.field("ticket").is_valid())

    def best(self, count: int = SHOWN) -> list[ShownPicture]:
        """The kept pictures with the highest reward, the best first; at most half of all."""
        ranked = self._shown(lambda p: p.reward)
        return ranked[: min(count, (len(ranked) + 1) // 2)]

    def worst(self, count: int = SHOWN) -> list[ShownPicture]:
        """The kept pictures with the lowest reward, the worst first; at most the other half."""
        ranked = self._shown(lambda p: p.reward)
        return ranked[::-1][: min(count, len(ranked) // 2)]

    def disputed(self, count: int = SHOWN) -> list[ShownPicture]:
        """The kept pictures about which the train judges disagree most, within their group.

        Disagreement is the largest difference between two judges' ranks of the picture among the group's, scaled to
        0..1 (the formula stands in `rewards.panel.disagreement`).
        """
        return [p for p in self._shown(lambda p: p.disagreement) if p.disagreement][:count]

    def drift(self) -> list[JudgeDrift]:
        """Every judge's drift, in the order of the audit's table."""
        return [self._drift(judge) for judge in self._table["judge"].unique().to_pylist()]

    def _shown(self, order: Callable[[ShownPicture], float | None]) -> list[ShownPicture]:
        """The pictures with a thumbnail and a number to `order` by, highest first."""
        pictures: dict[str, ShownPicture] = {}
        for row in self._table.filter(pc.field("thumbnail").is_valid()).to_pylist():
            numbers = row["policy_version"], row["reward"], row["disagreement"]
            picture = ShownPicture(self._folder / row["thumbnail"], row["prompt"], *numbers)
            value = row["status"] if row["value"] is None else read_number(float(f"{row['value']:.3g}"))
            verdicts = pictures.setdefault(row["image"], picture).verdicts
            if row["judge"] not in [judge for judge, _, _ in verdicts]:
                verdicts.append((row["judge"], value, row["text"]))
        ranked = [(order(p), p) for p in pictures.values() if p.file.is_file()]
        known = [(number, p) for number, p in ranked if number is not None]
        return [p for _, p in sorted(known, key=lambda pair: pair[0], reverse=True)]

    def _drift(self, judge: str) -> JudgeDrift:
        every = self._table.filter(pc.field("judge") == judge)
        ok = every.filter(pc.field("status") == "ok")
        means = ok.group_by("policy_version").aggregate([("value", "mean")]).sort_by("policy_version")
        seen = ok.group_by("judge_version").aggregate([("policy_version", "min"), ("policy_version", "max")])
        rows = seen.sort_by("policy_version_min").to_pylist()
        return JudgeDrift(
            judge,
            means["policy_version"].to_pylist(),
            means["value_mean"].to_pylist(),
            [(row["judge_version"], row["policy_version_min"], row["policy_version_max"]) for row in rows],
            every.num_rows,
            1 - ok.num_rows / every.num_rows,
            float(np.mean(every["latency_s"].to_numpy())),
        )


def drift_charts(drifts: Sequence[JudgeDrift]) -> list[Chart]:
    """A chart for each judge: its mean value over the versions of the policy."""
    charts: list[Chart] = []
    for drift in drifts:
        if not drift.means:
            continue
        line = Line("mean value", drift.policy_versions, drift.means)
        legend = [("by policy version", read_number(float(f"{end_value(line):.3g}")), 1)]
        charts.append(Chart(drift.judge, Markup(line_chart([line])), legend, _note(drift)))
    return charts


def _note(drift: JudgeDrift) -> str:
    parts = [f"{drift.verdicts:,} verdicts", f"{drift.latency_s * 1000:.3g} ms latency"]
    parts += [f"{drift.without_value:.1%} without a value"] if drift.without_value else []
    parts += [f"version {version}" for version, _, _ in drift.versions if len(drift.versions) == 1]
    return ", ".join(parts) + "."
