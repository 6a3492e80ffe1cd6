"""The promise of every judge: split, order and size of a batch do not change a verdict."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rewards.judge import Judge
from rewards.verdict import Verdict

N = 9
PROMPTS = [
    "a cat",
    "a red elephant beside two very small green dogs that sleep in the snow",
    "a dog and a cat",
    'a sign that says "ZOO"',
]
QUESTIONS = [
    {"question": "is it green?", "type": "color"},
    {"question": "is there red in the picture?", "type": "color", "answer": "no"},
    {"question": "is it green?", "type": "color", "answer": "no"},
]
METADATA: list[dict[str, Any]] = [
    {"questions": QUESTIONS[:1], "class": "cat"},
    {"questions": QUESTIONS, "class": ["red elephant", "dog"]},
    {"questions": QUESTIONS[1:], "animals": ["dog", "cat"], "colours": ["red"]},
    {"class": "dog"},
]


def keeps_its_promise(judge: Judge, images: np.ndarray, tolerance: float = 0.0, examples: int = 8) -> None:
    """Asserts that `judge`, which tells some of the nine `images` `[9, h, w, 3]` apart, keeps its promise up to
    `tolerance`: 0 for judges that see pictures one by one, 1e-5 for those whose float32 sums run in another order in
    another batch."""
    prompts, metadata = [PROMPTS[i % len(PROMPTS)] for i in range(N)], [METADATA[i % len(METADATA)] for i in range(N)]

    def judged(indices: Sequence[int]) -> list[Verdict]:
        return judge.judge(images[list(indices)], [prompts[i] for i in indices], [metadata[i] for i in indices])

    whole = judged(range(N))
    assert len({str(seen(verdict)) for verdict in whole}) > 1, "it tells pictures apart"
    assert judge.judge(images[:0], [], []) == []

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.permutations(range(N)), st.sets(st.integers(1, N - 1)))
    def holds(order: list[int], cuts: set[int]) -> None:
        """Pictures in any order, cut into batches of any sizes."""
        ends = [0, *sorted(cuts), N]
        apart = [verdict for a, b in itertools.pairwise(ends) for verdict in judged(order[a:b])]
        assert_same([whole[i] for i in order], apart, tolerance)

    holds()
    assert_same(whole, [judged([i])[0] for i in range(N)], tolerance)


def seen(verdict: Verdict) -> list[Any]:
    """Every number of a verdict, by name or index."""
    features = [] if verdict.features is None else verdict.features.tolist()
    maps = {name: heatmap.tolist() for name, heatmap in verdict.heatmaps.items()}
    return [verdict.status, verdict.value, verdict.text, verdict.scores, features, maps]


def assert_same(expected: Sequence[Verdict], found: Sequence[Verdict], tolerance: float) -> None:
    assert len(expected) == len(found)
    for a, b in zip(expected, found, strict=True):
        assert (a.status, a.text, a.words, a.version, a.truncated) == (
            b.status,
            b.text,
            b.words,
            b.version,
            b.truncated,
        )
        assert a.value == (None if b.value is None else pytest.approx(b.value, abs=tolerance, rel=0))
        assert a.scores == pytest.approx(b.scores, abs=tolerance, rel=0)
        assert a.boxes == b.boxes
        assert a.heatmaps.keys() == b.heatmaps.keys()
        assert (a.features is None) == (b.features is None)
        for x, y in [(a.features, b.features), *((a.heatmaps[key], b.heatmaps[key]) for key in a.heatmaps)]:
            if x is not None:
                np.testing.assert_allclose(x, y, atol=tolerance, rtol=0)
