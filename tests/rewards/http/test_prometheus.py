"""Prometheus hears of calls that were made."""

from __future__ import annotations

from typing import Any

import numpy as np

from rewards.http.prometheus import JudgeMetrics
from rewards.serving.scoring import Judged
from rewards.verdict import Verdict, where_it_applies


def exposition(*verdicts: Verdict) -> dict[str, str]:
    """The exposition's lines about the judge, after one request with a picture for each verdict."""
    metrics = JudgeMetrics(["clip"])
    image = np.zeros((1, 1, 3), np.uint8)
    metrics.count([Judged(image, "a cat", {"clip": verdict}, None) for verdict in verdicts])
    lines = (line for line in metrics.exposition().decode().splitlines() if not line.startswith("#"))
    return dict(line.rsplit(" ", 1) for line in lines)


def judged(**more: Any) -> Verdict:
    return Verdict("clip", "ok", 0.5, latency=0.2, **more)


def test_a_judge_that_was_not_asked_has_no_call() -> None:
    (unasked,) = where_it_applies([False], "clip", None)
    assert exposition(unasked)['salon_judge_calls_total{judge="clip"}'] == "0.0"
    both = exposition(unasked, judged())
    assert both['salon_judge_calls_total{judge="clip"}'] == both['salon_judge_pictures_total{judge="clip"}'] == "1.0"


def test_what_is_remembered_takes_no_seconds_of_a_model() -> None:
    lines = exposition(judged(remembered=True), judged(remembered=False))
    assert lines['salon_judge_pictures_total{judge="clip"}'] == "2.0"
    assert lines['salon_judge_latency_seconds_count{judge="clip"}'] == "1.0"
    assert lines['salon_judge_latency_seconds_sum{judge="clip"}'] == "0.2"
