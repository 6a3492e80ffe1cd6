# pyright: strict
"""The charts of a report, drawn from a run's history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cluster.report.chart import line_chart
from cluster.report.curve import Line, colour_of, end_value, read_number
from cluster.tracking.evaluation import from_row
from cluster.tracking.history import RunHistory, is_number
from cluster.tracking.judges import RunJudges
from learners.algorithms.algorithm import StatisticsChart

NO_JUDGES = RunJudges()


@dataclass(frozen=True)
class Chart:
    """One drawing of the report, its title, the legend (label, where the curve ends, colour) and a note."""

    title: str
    svg: Markup
    legend: list[tuple[str, str, int]]
    note: str = ""


def judge_charts(history: RunHistory, judges: RunJudges) -> list[Chart]:
    """The reward, the audit judges' shares and diversity, the gates, and every judge's mean value."""
    charts = [_reward_chart(history), _evaluation_chart(history, judges)]
    shares = judges.audit_shares()
    charts.append(_chart(history, "Held-out judge, training pictures", shares, judges, percent=True))
    diversity = [key for key in _of_judges(history, "diversity") if key.partition("/")[0] in judges.audit]
    note = "Mean feature distance."
    charts.append(_chart(history, "Diversity within a prompt", diversity, judges, zero=True, note=note))
    gates = _of_judges(history, "gate_share")
    charts.append(_chart(history, "Pictures that pass the gate", gates, judges, zero=True, percent=True, by_judge=True))
    for key in history.keys("judge/"):
        judge = key.removeprefix("judge/")
        if history.series(key) in [history.series(share) for share in shares]:
            continue
        audit = judge in judges.audit
        note = (
            "Watches only: never in the reward."
            if audit
            else "Only its gate counts."
            if judge in judges.with_role("gate")
            else "Part of the reward."
        )
        colour = 2 if audit else 1
        charts.append(_chart(history, f"Judge: {judge}", [key], judges, note=note, first_colour=colour))
    return [chart for chart in charts if chart is not None]


def machinery_charts(history: RunHistory, statistics: Sequence[StatisticsChart] = ()) -> list[Chart]:
    """Lag, the `statistics` of the run's algorithm, rate, idle shares, and how the judges answered."""
    charts = [
        _chart(
            history,
            "Lag",
            ["lag/mean", "lag/max"],
            zero=True,
            smooth=False,
            note="Updates between the policy that drew and the policy trained.",
        ),
        *(_statistics_chart(history, its) for its in statistics),
        _chart(history, "Images per second", ["images_per_s"], zero=True),
        _chart(history, "Idle", history.keys("idle/"), zero=True, percent=True),
        _chart(history, "Replicas", _scaled(history), zero=True, smooth=False, by_judge=True),
        _chart(
            history,
            "Seconds until a judge answers",
            _of_judges(history, "p95_s"),
            zero=True,
            by_judge=True,
            note="Of 95 in 100 questions, as the rollout actors see it.",
        ),
        _chart(
            history,
            "Questions that failed",
            [key for key in _of_judges(history, "failed_share") if any(history.series(key)[1])],
            zero=True,
            percent=True,
            by_judge=True,
            note="In the end, after all attempts.",
        ),
        _chart(
            history,
            "Verdicts remembered",
            _of_judges(history, "cache_share"),
            zero=True,
            percent=True,
            by_judge=True,
            note="By the judges' caches.",
        ),
    ]
    return [chart for chart in charts if chart is not None]


def _statistics_chart(history: RunHistory, drawn: StatisticsChart) -> Chart | None:
    keys = [key for name in drawn.keys for key in (history.keys(name) if name.endswith("/") else [name])]
    return _chart(history, drawn.title, keys, zero=True, percent=drawn.unit == "%", note=drawn.note)


def _reward_chart(history: RunHistory) -> Chart | None:
    rows = [row for row in history.updates if is_number(row.get("reward/mean"))]
    if not rows:
        return None
    x, y = [row["update"] for row in rows], [row["reward/mean"] for row in rows]
    spread = [row["reward/std"] if is_number(row.get("reward/std")) else 0.0 for row in rows]
    line = Line("mean", x, y, 1, spread if any(spread) else None)
    legend = [("mean", f"{end_value(line):.3f}", 1)]
    return Chart("Train reward", Markup(line_chart([line])), legend, "The band is one standard deviation.")


def _evaluation_chart(history: RunHistory, judges: RunJudges) -> Chart | None:
    """The audit judges' shares on the fixed prompts and seeds, at every evaluation."""
    points = [(row["update"], from_row(row)) for row in sorted(history.evaluations, key=lambda row: row["update"])]
    lines: list[Line] = []
    for i, key in enumerate(judges.audit_shares()):
        found = [(update, metrics[key]) for update, metrics in points if key in metrics]
        if len(found) > 1:
            spread = [(metric.high - metric.low) / 2 for _, metric in found] if i == 0 else None
            x, y = [update for update, _ in found], [metric.value for _, metric in found]
            lines.append(Line(judges.label(key), x, y, colour_of(i), spread))
    if not lines:
        return None
    return Chart(
        "Held-out judge, fixed prompts and seeds",
        Markup(line_chart(lines, percent=True, smooth=False)),
        [(line.label, f"{line.y[-1] * 100:.0f} %", line.colour) for line in lines],
        "The band is a 95 % interval.",
    )


def _of_judges(history: RunHistory, metric: str) -> list[str]:
    """The keys `JUDGE/metric` of all judges that have it."""
    return [key for key in history.keys("") if key.endswith(f"/{metric}")]


def _scaled(history: RunHistory) -> list[str]:
    """The numbers of replicas that changed during the run."""
    return [key for key in _of_judges(history, "replicas") if len(set(history.series(key)[1])) > 1]


def _chart(
    history: RunHistory,
    title: str,
    keys: Sequence[str],
    judges: RunJudges = NO_JUDGES,
    *,
    percent: bool = False,
    zero: bool = False,
    smooth: bool = True,
    by_judge: bool = False,
    note: str = "",
    first_colour: int = 0,
) -> Chart | None:
    lines: list[Line] = []
    for key in keys:
        x, y = history.series(key)
        if x:
            # The key's lag0 reads lag 0.
            label = key.rpartition("/")[0] if by_judge else re.sub(r"(?<=[a-z])(?=\d)", " ", judges.label(key))
            lines.append(Line(label, x, y, colour_of(first_colour + len(lines))))
    if not lines:
        return None
    svg = line_chart(lines, percent=percent, zero=zero, smooth=smooth)
    values = [end_value(line, smooth=smooth) for line in lines]
    ends = [f"{value * 100:.0f} %" if percent else read_number(float(f"{value:.3g}")) for value in values]
    labels = [line.label for line in lines] if len(lines) > 1 or by_judge else [""]
    return Chart(title, Markup(svg), list(zip(labels, ends, [line.colour for line in lines], strict=True)), note)
