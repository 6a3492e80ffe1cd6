# pyright: strict
from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.tracking.evaluation import (
    Metric,
    bootstrap,
    compare,
    from_row,
    measure,
    pairwise_distances,
    to_row,
    wilson,
)
from cluster.tracking.judges import RunJudges
from rewards.verdict import Verdict


def heldout(free: float, animal: float = 1.0, features: list[float] | None = None) -> Verdict:
    scores = {"artifact_free": free, "animal": animal}
    vector = None if features is None else np.array(features, dtype=np.float32)
    return Verdict("heldout", "ok", free, scores, features=vector)


def share(value: float, by_prompt: tuple[float, ...] = ()) -> Metric:
    return Metric("share", value, value, value, 128, by_prompt)


def mean(value: float) -> Metric:
    return Metric("mean", value, value, value, 128, ())


def test_shares_are_counted_over_pictures_and_kept_for_each_prompt() -> None:
    verdicts = {"heldout": [heldout(1), heldout(0), heldout(1), heldout(1, animal=0)]}
    metrics = measure(verdicts, ["a dog", "a dog", "a cat", "a cat"])
    assert metrics["heldout/artifact_free"].value == 0.75
    assert metrics["heldout/artifact_free"].by_prompt == (0.5, 1.0)
    assert metrics["heldout/animal"].by_prompt == (1.0, 0.5)
    assert metrics["heldout/artifact_free"].kind == "share"


def test_a_verdict_that_failed_counts_neither_for_nor_against() -> None:
    metrics = measure({"heldout": [heldout(1), Verdict("heldout", "error"), Verdict("heldout", "abstain")]}, ["a"] * 3)
    assert metrics["heldout/artifact_free"].value == 1.0
    assert metrics["heldout/artifact_free"].n == 1


def test_a_judge_that_always_failed_has_no_metrics() -> None:
    assert measure({"clip": [Verdict("clip", "error")] * 2}, ["a", "a"]) == {}


def test_verdicts_for_other_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="'clip': 1 verdicts for 2 pictures"):
        measure({"clip": [Verdict("clip", "ok", 0.3)]}, ["a", "a"])


def test_diversity_is_measured_within_a_prompt_only() -> None:
    verdicts = [heldout(1, features=vector) for vector in ([1.0, 0], [0.0, 1], [3.0, 0], [7.0, 0])]
    metric = measure({"heldout": verdicts}, ["a", "a", "b", "b"])["heldout/diversity"]
    assert metric.by_prompt == pytest.approx((math.sqrt(2), 0.0))
    assert metric.value == pytest.approx(math.sqrt(2) / 2)


def test_one_picture_of_a_prompt_has_no_diversity() -> None:
    assert "heldout/diversity" not in measure({"heldout": [heldout(1, features=[1, 0])]}, ["a"])


@given(st.lists(st.lists(st.floats(-5, 5), min_size=3, max_size=3), min_size=2, max_size=6))
def test_distances_agree_with_the_definition(vectors: list[list[float]]) -> None:
    arrays = [np.array(vector) + 0.1 for vector in vectors]
    unit = [array / max(np.linalg.norm(array), 1e-12) for array in arrays]
    expected = [float(np.linalg.norm(a - b)) for a, b in itertools.combinations(unit, 2)]
    assert pairwise_distances(arrays) == pytest.approx(expected, abs=1e-6)


def test_wilson_interval_on_published_values() -> None:
    # Newcombe (1998), Statistics in Medicine 17: 857, table I, method 3 (score, without continuity correction).
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@given(st.integers(1, 500), st.data())
def test_a_wilson_interval_holds_its_share_and_stays_a_share(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high


def test_a_bootstrap_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = bootstrap(rng.normal(0.5, 0.2, size=32).tolist(), seed)
        covered += low <= 0.5 <= high
    assert 180 <= covered <= 199


def test_a_bootstrap_is_the_same_every_time() -> None:
    assert bootstrap([0.1, 0.5, math.nan, 0.7]) == bootstrap([0.1, 0.5, 0.7])


@settings(max_examples=25)
@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=8, max_size=8))
def test_metrics_come_back_from_a_metrics_row_as_they_went_in(marks: list[float]) -> None:
    verdicts = {"heldout": [heldout(mark, features=[mark, i]) for i, mark in enumerate(marks)]}
    metrics = measure(verdicts, ["a", "a", "b", "b", "c", "c", "d", "d"])
    assert from_row(json.loads(json.dumps(to_row(metrics)))) == metrics


def test_the_change_is_paired_by_prompt() -> None:
    # Prompts differ a lot, and each gains the same: unpaired, this change would drown in the prompts' own spread.
    before = {"heldout/artifact_free": share(0.5, (0.0, 0.25, 0.5, 0.9))}
    after = {"heldout/artifact_free": share(0.6, (0.1, 0.35, 0.6, 1.0))}
    (change,) = compare(before, after, RunJudges())
    assert change.change == pytest.approx(0.1)
    assert (change.low, change.high) == pytest.approx((0.1, 0.1))
    assert change.certain


@pytest.mark.parametrize(
    ("key", "before", "after", "kept"),
    [
        ("heldout/animal", share(0.80), share(0.775), True),
        ("heldout/setting", share(0.80), share(0.765), False),
        ("fits/value", mean(0.280), mean(0.267), True),
        ("fits/value", mean(0.280), mean(0.265), False),
        ("clip/value", mean(0.280), mean(0.100), None),
        ("heldout/diversity", mean(0.60), mean(0.49), True),
        ("heldout/diversity", mean(0.60), mean(0.47), False),
        ("heldout/artifact_free", share(0.80), share(0.10), None),
    ],
)
def test_what_a_gain_may_cost(key: str, before: Metric, after: Metric, kept: bool | None) -> None:
    kinds = {"heldout": "menagerie.heldout_judge:HeldoutJudge", "fits": "clip", "clip": "vqascore"}
    judges = RunJudges.from_yaml({"rewards": {"judges": {name: {"kind": kind} for name, kind in kinds.items()}}})
    (change,) = compare({key: before}, {key: after}, judges)
    assert change.kept is kept
