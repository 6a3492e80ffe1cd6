"""The promise of every judge: split, order and size of a batch do not change a verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_vision import GREEN, RED

from rewards.kinds import judge_config
from rewards.registry import build_judge
from rewards.verdict import Verdict

ASKED = [
    {"question": "is it green?", "type": "color"},
    {"question": "is there red in the picture?", "type": "color", "answer": "no"},
]
CASES: dict[str, Callable[[Callable[[str], Path]], dict[str, Any]]] = {
    "artifact": lambda folder: {"kind": "artifact", "model": str(folder("llava_dir")), "template": "short"},
    "clip": lambda folder: {"kind": "clip", "model": str(folder("clip_dir"))},
    "jpeg": lambda folder: {"kind": "jpeg"},
    "vqa, BLIP": lambda folder: {"kind": "vqa", "model": str(folder("blip_dir"))},
    "vqa, BLIP-2": lambda folder: {"kind": "vqa", "model": str(folder("blip2_dir")), "micro_batch": 5},
    "vqascore, LLaVA": lambda folder: {"kind": "vqascore", "model": str(folder("random_llava_dir")), "micro_batch": 5},
    "vqascore, BLIP-2 with OPT": lambda folder: {"kind": "vqascore", "model": str(folder("blip2_opt_dir"))},
    "rubric": lambda folder: {"kind": "rubric", "model": str(folder("random_llava_dir")), "min_mass": 0},
    "artifact_detection": lambda folder: {
        "kind": "artifact_detection",
        "model": str(folder("detector_dir")),
        "template": "short",
    },
    "rich_feedback": lambda folder: {"kind": "rich_feedback", "model": str(folder("rahf_dir")), "micro_batch": 5},
    "rich_feedback, augmented": lambda folder: {"kind": "rich_feedback", "model": str(folder("augmented_rahf_dir"))},
}
"""A judge's settings, given a function from the name of a fixture to its folder. Add a judge here."""


@pytest.mark.parametrize("case", CASES)
def test_split_order_and_size_of_a_batch_do_not_change_a_verdict(
    case: str, request: pytest.FixtureRequest, noise: np.ndarray
):
    judge = build_judge("j", judge_config(**CASES[case](request.getfixturevalue)))
    plain = [np.full((28, 28, 3), colour, np.uint8) for colour in (GREEN, RED, GREEN, (30, 40, 200))]
    images = np.concatenate([noise[:7], plain])
    prompts = [f"picture {i % 4} of a cat" for i in range(len(images))]
    facts = [{"questions": ASKED[: 1 + i % 2], "class": ["cat", "dog"][i % 2]} for i in range(len(images))]

    def verdicts(rows: Any) -> list[Verdict]:
        return judge.judge(images[rows], [prompts[i] for i in rows], [facts[i] for i in rows])

    n = len(images)
    whole = verdicts(range(n))
    assert any(verdict.status == "ok" for verdict in whole)
    order = np.random.default_rng(1).permutation(n)
    _assert_same(whole, [verdict for i in range(n) for verdict in verdicts([i])])
    _assert_same([whole[i] for i in order], verdicts(order))
    _assert_same(whole, [verdict for i in range(0, n, 4) for verdict in verdicts(range(i, min(i + 4, n)))])


def _assert_same(expected: list[Verdict], given: list[Verdict]) -> None:
    assert len(expected) == len(given)
    for a, b in zip(expected, given, strict=True):
        assert (a.status, a.text, a.words, a.version) == (b.status, b.text, b.words, b.version)
        # Float32 sums in another order.
        assert a.value == (None if b.value is None else pytest.approx(b.value, abs=1e-5))
        assert a.scores == pytest.approx(b.scores, abs=1e-5)
        assert a.boxes == b.boxes
        assert a.heatmaps.keys() == b.heatmaps.keys()
        for key in a.heatmaps:
            np.testing.assert_allclose(a.heatmaps[key], b.heatmaps[key], atol=1e-5)
