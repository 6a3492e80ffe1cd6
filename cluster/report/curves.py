"""The curves of a report, drawn from a run's history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cluster.report.chart import Line, chart, end_value, read_number
from cluster.tracking.alarm import SHARES
from cluster.tracking.evaluation import from_row
from cluster.tracking.history import RunHistory, is_number

WORDS = {
    "artifact_free": "free of artifacts",
    "animal": "animal recognised",
    "colour": "colour recognised",
    "setting": "setting recognised",
    "value": "mean verdict",
    "diversity": "diversity within a prompt",
}


@dataclass(frozen=True)
class Panel:
    """One drawing of the report, its title, the legend (label, where the curve ends, colour) and a note."""

    title: str
    svg: Markup
    legend: list[tuple[str, str, int]]
    note: str = ""


def judge_panels(history: RunHistory, heldout: Sequence[str], gating: Sequence[str] = ()) -> list[Panel]:
    """What the judges said: the reward, the held-out judge, and every judge by itself, with its part in the reward."""
    panels = [_reward_panel(history)]
    panels.append(_fixed_panel(history, heldout))
    shares = [f"{judge}/{score}" for judge in heldout for score in SHARES]
    panels.append(_panel(history, "Held-out judge, training pictures", shares, percent=True))
    diversity = [key for key in _of_judges(history, "diversity") if key.partition("/")[0] in heldout]
    panels.append(_panel(history, "Diversity within a prompt", diversity, zero=True, note="Mean feature distance."))
    gates = _of_judges(history, "gate_share")
    panels.append(_panel(history, "Pictures that pass the gate", gates, zero=True, percent=True, by_judge=True))
    for key in history.keys("judge/"):
        judge = key.removeprefix("judge/")
        if history.series(key) in [history.series(share) for share in shares]:
            continue
        note = (
            "Watches only: never in the reward."
            if judge in heldout
            else "Only its gate counts."
            if judge in gating
            else "Part of the reward."
        )
        panels.append(_panel(history, f"Judge: {judge}", [key], note=note, colour=3 if judge in heldout else 2))
    return [panel for panel in panels if panel is not None]


def machinery_panels(history: RunHistory) -> list[Panel]:
    """How the machinery ran: lag, clipping, divergence, rate and idleness."""
    panels = [
        _panel(
            history,
            "Lag",
            ["lag/mean", "lag/max"],
            zero=True,
            smooth=False,
            note="Updates between the policy that drew and the policy trained.",
        ),
        _panel(
            history, "Clip fraction", ["clip_fraction"], zero=True, percent=True, note="Ratios outside the clip range."
        ),
        _panel(history, "KL by lag", history.keys("kl/"), zero=True, note="Un-pooled, per lag."),
        _panel(history, "Images per second", ["images_per_s"], zero=True),
        _panel(history, "Idle", history.keys("idle/"), zero=True, percent=True),
        _panel(history, "Replicas", _scaled(history), zero=True, smooth=False, by_judge=True),
        _panel(
            history,
            "Seconds until a judge answers",
            _of_judges(history, "p95_s"),
            zero=True,
            by_judge=True,
            note="Of 95 in 100 questions, as the rollout actors see it.",
        ),
        _panel(
            history,
            "Questions that failed",
            [key for key in _of_judges(history, "failed_share") if any(history.series(key)[1])],
            zero=True,
            percent=True,
            by_judge=True,
            note="In the end, after all attempts.",
        ),
        _panel(
            history,
            "Verdicts remembered",
            _of_judges(history, "cache_share"),
            zero=True,
            percent=True,
            by_judge=True,
            note="By the judges' caches.",
        ),
    ]
    return [panel for panel in panels if panel is not None]


def _reward_panel(history: RunHistory) -> Panel | None:
    rows = [row for row in history.updates if is_number(row.get("reward/mean"))]
    if not rows:
        return None
    x, y = [row["update"] for row in rows], [row["reward/mean"] for row in rows]
    spread = [row["reward/std"] if is_number(row.get("reward/std")) else 0.0 for row in rows]
    line = Line("mean", x, y, 1, spread if any(spread) else None)
    legend = [("mean", f"{end_value(line):.3f}", 1)]
    return Panel("Train reward", Markup(chart([line])), legend, "The band is one standard deviation.")


def _fixed_panel(history: RunHistory, heldout: Sequence[str]) -> Panel | None:
    """The held-out judge on the fixed prompts and seeds, at every evaluation."""
    points = [(row["update"], from_row(row)) for row in sorted(history.evaluations, key=lambda row: row["update"])]
    keys = [f"{judge}/{score}" for judge in heldout for score in SHARES]
    lines = []
    for colour, key in enumerate(keys, 1):
        found = [(update, figures[key]) for update, figures in points if key in figures]
        if len(found) > 1:
            spread = [(figure.high - figure.low) / 2 for _, figure in found] if colour == 1 else None
            x, y = [update for update, _ in found], [figure.value for _, figure in found]
            lines.append(Line(WORDS[key.partition("/")[2]], x, y, colour, spread))
    if not lines:
        return None
    return Panel(
        "Held-out judge, fixed prompts and seeds",
        Markup(chart(lines, percent=True, smooth=False)),
        [(line.label, f"{line.y[-1] * 100:.0f} %", line.colour) for line in lines],
        "The band is a 95 % interval.",
    )


def _of_judges(history: RunHistory, figure: str) -> list[str]:
    """The keys `JUDGE/figure` of all judges that have it."""
    return [key for key in history.keys("") if key.endswith(f"/{figure}")]


def _scaled(history: RunHistory) -> list[str]:
    """The numbers of replicas that changed during the run."""
    return [key for key in _of_judges(history, "replicas") if len(set(history.series(key)[1])) > 1]


def _panel(
    history: RunHistory,
    title: str,
    keys: Sequence[str],
    *,
    percent: bool = False,
    zero: bool = False,
    smooth: bool = True,
    by_judge: bool = False,
    note: str = "",
    colour: int = 1,
) -> Panel | None:
    lines = []
    for key in keys:
        x, y = history.series(key)
        if x:
            judge, _, score = key.rpartition("/")
            words = WORDS.get(score, re.sub(r"(?<=[a-z])(?=\d)", " ", score.replace("_", " ")))  # lag0: lag 0
            lines.append(Line(judge if by_judge else words, x, y, colour + len(lines)))
    if not lines:
        return None
    svg = chart(lines, percent=percent, zero=zero, smooth=smooth)
    values = [end_value(line, smooth=smooth) for line in lines]
    ends = [f"{value * 100:.0f} %" if percent else read_number(float(f"{value:.3g}")) for value in values]
    labels = [line.label for line in lines] if len(lines) > 1 or by_judge else [""]
    return Panel(title, Markup(svg), list(zip(labels, ends, [line.colour for line in lines], strict=True)), note)
