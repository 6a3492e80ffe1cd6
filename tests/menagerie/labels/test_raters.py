"""Simulated annotators: they disagree as much as the paper's do."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.judges.datasets.ratings import consolidate
from menagerie.labels.raters import rate
from menagerie.labels.truth import Truth
from menagerie.world.wide import sample_wide


def truths(count: int, misaligned: float = 0.5) -> list[Truth]:
    return [Truth.of(sample_wide(seed), random.Random(seed), misaligned=misaligned) for seed in range(count)]


def test_annotators_agree_as_in_the_paper():
    """Rich Human Feedback: about 25% of the scores in perfect agreement, about 85% within one step of the scale."""
    scores = np.array([[rating.scores for rating in rate(t, random.Random(i))] for i, t in enumerate(truths(500))])
    apart = np.ptp(scores, axis=1)
    assert (apart == 0).mean() == pytest.approx(0.25, abs=0.04)
    assert (apart <= 1).mean() == pytest.approx(0.85, abs=0.04)


def test_annotators_are_noisy_and_yet_tell_the_truth():
    some = truths(300)
    ratings = [rate(t, random.Random(i)) for i, t in enumerate(some)]
    joined = [consolidate(r, 64, 64) for r in ratings]
    truth = np.array([t.quality.values() for t in some])
    predicted = np.array([c.scores for c in joined])
    correlations = [np.corrcoef(truth[:, k], predicted[:, k])[0, 1] for k in range(4)]
    assert 0.65 < min(correlations) < max(correlations) < 1, correlations
    bad = np.concatenate([t.prompt.misaligned for t in some])
    marked = np.concatenate([c.misaligned for c in joined])
    assert 0.8 < marked[bad].mean() < 0.98  # words are missed
    assert marked[~bad].mean() < 0.01
    clean = [c.artifact_map.mean() for t, c in zip(some, joined, strict=True) if not t.picture.artifacts]
    damaged = [c.artifact_map.mean() for t, c in zip(some, joined, strict=True) if t.picture.artifacts]
    assert np.mean(clean) < 0.002 < np.mean(damaged)


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_what_annotators_say_is_seeded_and_in_range(seed: int):
    truth = Truth.of(sample_wide(seed), random.Random(seed), misaligned=0.5)
    one, two = rate(truth, random.Random(seed)), rate(truth, random.Random(seed))
    assert one == two
    for rating in one:
        assert all(1 <= s <= 5 for s in rating.scores)
        assert all(0 <= v <= 1 for p in (*rating.artifact_points, *rating.misalignment_points) for v in p)
        assert len(rating.misaligned) == len(truth.prompt.caption.words)


def test_points_fall_on_what_is_wrong():
    hit: list[bool] = []
    for i, truth in enumerate(truths(200)):
        for rating in rate(truth, random.Random(i)):
            for x, y in rating.artifact_points:
                near = [a.box for a in truth.picture.artifacts]
                hit.append(any(b[0] - 0.05 <= x <= b[2] + 0.05 and b[1] - 0.05 <= y <= b[3] + 0.05 for b in near))
    assert np.mean(hit) > 0.9
