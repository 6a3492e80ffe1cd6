"""What the curves know of a group beyond its reward."""

from __future__ import annotations

import numpy as np
import pytest

from rewards.panel.metrics import group_metrics
from rewards.verdict import Verdict


def test_a_sub_score_is_the_mean_of_the_verdicts_that_have_it():
    verdicts = [
        Verdict("j", "ok", 1.0, {"legs": 4.0}),
        Verdict("j", "ok", 1.0, {"legs": 2.0, "ears": 1.0}),
        Verdict("j", "abstain", scores={"legs": 100.0}),
    ]
    assert group_metrics({"j": verdicts}) == {"j/legs": 3.0, "j/ears": 1.0}


def test_diversity_is_the_distance_of_directions():
    features = [np.array([1.0, 0.0]), np.array([3.0, 0.0]), np.array([0.0, 2.0])]
    verdicts = [Verdict("j", "ok", 1.0, features=f) for f in features]
    assert group_metrics({"j": verdicts})["j/diversity"] == pytest.approx(2 * np.sqrt(2) / 3)


def test_a_judge_with_a_cache_tells_how_much_of_it_was_remembered():
    verdicts = [
        Verdict("j", "ok", 1.0, remembered=True),
        Verdict("j", "abstain", remembered=True),
        Verdict("j", "ok", 1.0, remembered=False),
        Verdict("j", "error", remembered=False),
    ]
    assert group_metrics({"j": verdicts})["j/cache_share"] == 0.5
    assert "j/cache_share" not in group_metrics({"j": [Verdict("j", "ok", 1.0)]})
