"""AP50 by COCO's evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from learners.judges.metrics.average_precision import average_precisions
from rewards.boxes import Box
from rewards.models.detection import Found


def ap50(truth: list[list[tuple[str, Box]]], found: list[list[Found]]) -> float:
    return float(np.mean(list(average_precisions(truth, found).values())))


def test_average_precision_is_that_of_coco():
    truth = [[("cat", (0.1, 0.1, 0.5, 0.5)), ("dog", (0.6, 0.6, 0.9, 0.9))], [("cat", (0.2, 0.2, 0.8, 0.8))]]
    exact = [[Found(label, 0.9, box) for label, box in seen] for seen in truth]
    assert ap50(truth, exact) == pytest.approx(1)
    aside = [[Found(label, 0.9, (x1 / 4, y1 / 4, x2 / 4, y2 / 4)) for label, (x1, y1, x2, y2) in t] for t in truth]
    assert ap50(truth, aside) == 0
    assert ap50(truth, [exact[0], []]) == pytest.approx((51 / 101 + 1) / 2)
    worse = [[*exact[0], Found("cat", 0.95, (0.6, 0.1, 0.9, 0.4))], exact[1]]
    assert 0.7 < ap50(truth, worse) < 1
    assert ap50(truth, [[], []]) == 0
