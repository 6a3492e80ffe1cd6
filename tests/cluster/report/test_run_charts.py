# pyright: strict
"""Which charts a run has, and what they say of its judges."""

from __future__ import annotations

from cluster.report.run_charts import judge_charts, machinery_charts
from cluster.tracking.history import RunHistory
from cluster.tracking.judges import RunJudges


def test_gates_caches_and_replicas_have_a_curve_for_each_judge() -> None:
    rows = [
        {
            "update": i,
            "safe/gate_share": 0.9,
            "clip/cache_share": i / 10,
            "slow/replicas": 1.0 + i,
            "slow/p95_s": 2.0 * i,
            "slow/failed_share": 0.05 * (i > 2),
            "clip/failed_share": 0.0,
            "clip/replicas": 1.0,
        }
        for i in (1, 2, 3)
    ]
    history = RunHistory(rows)
    charts = {chart.title: chart for chart in [*judge_charts(history, RunJudges()), *machinery_charts(history)]}
    assert [label for label, *_ in charts["Pictures that pass the gate"].legend] == ["safe"]
    assert charts["Verdicts remembered"].legend[0][:2] == ("clip", "30 %")
    assert [label for label, *_ in charts["Seconds until a judge answers"].legend] == ["slow"]
    assert charts["Questions that failed"].legend[0][:2] == ("slow", "5 %")
    assert len(charts["Questions that failed"].legend) == 1  # a judge that never failed needs no curve
    # A judge whose replicas stay as many as they were needs no curve.
    assert charts["Replicas"].legend[0][:2] == ("slow", "4")
    assert len(charts["Replicas"].legend) == 1


def test_a_judges_curve_says_what_its_part_in_the_reward_is() -> None:
    rows = [{"update": i, "judge/clip": 0.1 * i, "judge/safe": 0.9, "judge/far": -0.3 * i} for i in (1, 2, 3)]
    charts = judge_charts(RunHistory(rows), RunJudges({"clip": "train", "safe": "gate", "far": "audit"}))
    notes = {chart.title: chart.note for chart in charts if chart.title.startswith("Judge: ")}
    assert notes["Judge: clip"] == "Part of the reward."
    assert notes["Judge: safe"] == "Only its gate counts."
    assert notes["Judge: far"] == "Watches only: never in the reward."
