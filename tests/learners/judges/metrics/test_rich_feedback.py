"""The metrics of Rich Human Feedback over verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from learners.judges.metrics.rich_feedback import rich_feedback_metrics, word_metrics
from rewards.verdict import Verdict

PROMPTS = ("a red dog and a red cat", "a pig")
MISALIGNED = ((False, True, False, False, False, True, True), (False, False))


def test_word_metrics_by_hand():
    metrics = word_metrics([("red", "cat"), ("pig",)], PROMPTS, MISALIGNED)
    assert metrics["misaligned words precision"] == pytest.approx(2 / 3)
    assert metrics["misaligned words recall"] == pytest.approx(2 / 3)
    assert metrics["misaligned words F1"] == pytest.approx(2 / 3)
    assert word_metrics([(), ()], PROMPTS, MISALIGNED)["misaligned words F1"] == 0


def test_verdicts_that_are_the_labels_are_perfect():
    scores = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.1, 0.2]])
    maps = np.zeros((2, 2, 4, 4), np.uint8)
    maps[:, :, 1, 2] = 255
    names = ("plausibility", "alignment", "aesthetics", "overall")
    verdicts = [
        Verdict(
            "rich",
            "ok",
            0.5,
            scores=dict(zip(names, row.tolist(), strict=True)),
            heatmaps={"implausibility": map_[0] / 255, "misalignment": map_[1] / 255},
            words=tuple(word for word, bad in zip(prompt.split(), flags, strict=True) if bad),
        )
        for row, map_, prompt, flags in zip(scores, maps, PROMPTS, MISALIGNED, strict=True)
    ]
    metrics = rich_feedback_metrics(verdicts, scores, maps, PROMPTS, MISALIGNED)
    assert [metrics[f"{name} PLCC"] for name in names] == pytest.approx([1] * 4)
    assert metrics["implausibility CC"] == pytest.approx(1)
    assert metrics["misalignment MSE"] == 0
    assert metrics["misaligned words F1"] == 1
