"""Ratings: consolidation by the paper's rules, and annotators who disagree as much as the paper's do."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.judges.datasets.ratings import Rating, consolidate, disks
from menagerie.labels.quality import Quality, colourfulness, contrast
from menagerie.labels.raters import rate
from menagerie.labels.truth import Truth
from menagerie.world.picture import draw
from menagerie.world.scene import Creature, Scene
from menagerie.world.wide import sample_wide
from rewards.judges.asking.questions import Question


def truths(count: int, misaligned: float = 0.5) -> list[Truth]:
    return [Truth.of(sample_wide(seed), random.Random(seed), misaligned=misaligned) for seed in range(count)]


def test_consolidation_by_hand():
    ratings = [
        Rating((5, 4, 3, 4), ((0.5, 0.5),), (), (True, False, True)),
        Rating((4, 4, 1, 4), ((0.5, 0.5), (0.1, 0.1)), (), (True, False, False)),
        Rating((3, 1, 2, 4), (), (), (False, True, False)),
    ]
    consensus = consolidate(ratings, 40, 40)
    assert consensus.scores == pytest.approx(((4 - 1) / 4, (3 - 1) / 4, (2 - 1) / 4, (4 - 1) / 4))
    assert consensus.misaligned == (True, False, False)
    assert consensus.artifact_map[20, 20] == pytest.approx(2 / 3)
    assert consensus.artifact_map[4, 4] == pytest.approx(1 / 3)
    assert consensus.artifact_map[30, 4] == 0
    assert not consensus.misalignment_map.any()


def test_an_even_vote_is_no_majority():
    two = [Rating((1, 1, 1, 1), (), (), (True,)), Rating((1, 1, 1, 1), (), (), (False,))]
    assert consolidate(two, 8, 8).misaligned == (False,)


def test_a_disk_has_the_radius_of_a_twentieth_of_the_height():
    assert disks([(0.5, 0.5)], 400, 600).sum() == pytest.approx(np.pi * 20**2, rel=0.01)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=5))
def test_points_anywhere_stay_inside_the_map(points: list[tuple[float, float]]):
    found = disks(points, 64, 48)
    assert found.shape == (64, 48)
    assert set(np.unique(found)) <= {0.0, 1.0}
    assert found.any() == bool(points)


def test_records_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="no ratings"):
        consolidate([], 8, 8)
    with pytest.raises(ValueError, match=r"\[1, 2\] words"):
        consolidate([Rating((1,) * 4, (), (), (True,)), Rating((1,) * 4, (), (), (True, False))], 8, 8)


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
    said = np.array([c.scores for c in joined])
    correlations = [np.corrcoef(truth[:, k], said[:, k])[0, 1] for k in range(4)]
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
    hit = []
    for i, truth in enumerate(truths(200)):
        for rating in rate(truth, random.Random(i)):
            for x, y in rating.artifact_points:
                near = [a.box for a in truth.picture.artifacts]
                hit.append(any(b[0] - 0.05 <= x <= b[2] + 0.05 and b[1] - 0.05 <= y <= b[3] + 0.05 for b in near))
    assert np.mean(hit) > 0.9


def test_quality_by_hand():
    """A perfect picture of one grey tone: its aesthetics are what a flaw could still take away."""
    grey, yes, no = (
        np.full((8, 8, 3), 90, np.uint8),
        Question(question="Is there a dog?"),
        Question(question="Is there a cat?", answer="no"),
    )
    assert Quality.of(grey, (), [yes]).values() == pytest.approx((1, 1, 0.4, 0.4 + 0.4 + 0.08))
    assert Quality.of(grey, (), [yes, no]).alignment == pytest.approx(0.25)
    assert colourfulness(grey) == contrast(grey) == 0
    halves = np.zeros((8, 8, 3), np.uint8)
    halves[:4] = 255
    assert contrast(halves) == 1
    assert colourfulness(halves) == 0


def test_more_damage_is_less_plausible():
    scene = Scene("meadow", 0.55, (Creature("dog", "brown", 0.5, 0.9, 0.7, False),))
    values = []
    for categories in ((), ("omitted",), ("omitted", "localized blur")):
        truth = Truth.of(draw(scene, categories), random.Random(0), form="plain")
        values.append(truth.quality.plausibility)
    assert values[0] == 1 > values[1] > values[2] > 0
