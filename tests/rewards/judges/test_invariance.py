"""The promise of every judge: split, order and size of a batch do not change a verdict."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_vision import GREEN, RED

from menagerie.world.picture import draw
from menagerie.world.scene import sample_scene
from rewards.registry import JUDGES, build_judge, judge_config
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
FACTS: list[dict[str, Any]] = [
    {"questions": QUESTIONS[:1], "class": "cat"},
    {"questions": QUESTIONS, "class": ["red elephant", "dog"]},
    {"questions": QUESTIONS[1:], "animals": ["dog", "cat"], "colours": ["red"]},
    {"class": "dog"},
]

Folder = Callable[[str], Path]
CASES: dict[str, Callable[[Folder], dict[str, Any]]] = {
    "artifact": lambda folder: {"model": str(folder("llava_dir")), "template": "short"},
    "artifact, untaught": lambda folder: {
        "model": str(folder("random_llava_dir")),
        "template": "short",
        "max_new_tokens": 12,
    },
    "artifact_detection": lambda folder: {"model": str(folder("detector_dir")), "template": "short"},
    "vqa, BLIP": lambda folder: {"model": str(folder("blip_dir"))},
    "vqa, BLIP-2": lambda folder: {"model": str(folder("blip2_dir")), "micro_batch": 5},
    "vqa, LLaVA": lambda folder: {"model": str(folder("llava_dir"))},
    "vqascore, BLIP": lambda folder: {"model": str(folder("blip_dir")), "question": "is it green?{prompt}"},
    "vqascore, LLaVA": lambda folder: {"model": str(folder("random_llava_dir")), "micro_batch": 5},
    "vqascore, BLIP-2 with OPT": lambda folder: {"model": str(folder("blip2_opt_dir"))},
    "rubric": lambda folder: {"model": str(folder("random_llava_dir")), "min_mass": 0},
    "rich_feedback": lambda folder: {"model": str(folder("rahf_dir")), "micro_batch": 5},
    "rich_feedback, augmented": lambda folder: {"model": str(folder("augmented_rahf_dir"))},
    "clip": lambda folder: {"model": str(folder("clip_dir"))},
    "pickscore": lambda folder: {"model": str(folder("clip_dir"))},
    "hps": lambda folder: {"model": str(folder("clip_dir")), "micro_batch": 5},
    "aesthetic": lambda folder: {"model": str(folder("predictor_dir")), "encoder": str(folder("clip_dir"))},
    "detector": lambda folder: {"model": str(folder("owl_dir"))},
    "menagerie.heldout_judge:HeldoutJudge": lambda folder: {"model": str(folder("heldout_dir"))},
    "jpeg": lambda folder: {},
    "image_statistics": lambda folder: {"role": "audit"},
    "ocr": lambda folder: {},
    "safety": lambda folder: {},
}
"""A kind of judge, and after a comma which: its settings, given a function from the name of a fixture to its folder."""

EXACT = ("detector", "menagerie.heldout_judge:HeldoutJudge", "jpeg", "image_statistics", "ocr", "safety")
"""Judges that see pictures one by one. The others' float32 sums run in another order in another batch."""


def test_every_kind_of_judge_makes_the_promise():
    assert {case.partition(",")[0] for case in CASES} == {*JUDGES, "menagerie.heldout_judge:HeldoutJudge"}


@pytest.mark.parametrize("case", CASES)
def test_split_order_and_size_of_a_batch_do_not_change_a_verdict(
    case: str, request: pytest.FixtureRequest, noise: np.ndarray
):
    kind = case.partition(",")[0]
    config = judge_config(kind, **CASES[case](request.getfixturevalue))
    if extra := config.requires:
        # ImportError, too: OpenCV wants the system's libGL.
        pytest.importorskip(extra[0], reason=f"pip install 'salon[{extra[1]}]'", exc_type=ImportError)
    judge = build_judge("j", config)
    images = drawings() if kind in ("ocr", "safety") else np.concatenate([noise[:5], plain()])
    prompts, facts = ([of[i % len(of)] for i in range(N)] for of in (PROMPTS, FACTS))

    def told(places: Sequence[int]) -> list[Verdict]:
        return judge.judge(images[list(places)], [prompts[i] for i in places], [facts[i] for i in places])

    whole = told(range(N))
    assert len({str(seen(verdict)) for verdict in whole}) > 1, "it tells pictures apart"
    assert judge.judge(images[:0], [], []) == []

    @settings(
        max_examples=3 if kind == "ocr" else 8, deadline=None, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(st.permutations(range(N)), st.sets(st.integers(1, N - 1)))
    def holds(order: list[int], cuts: set[int]) -> None:
        """Pictures in any order, cut into batches of any sizes."""
        ends = [0, *sorted(cuts), N]
        given = [verdict for a, b in itertools.pairwise(ends) for verdict in told(order[a:b])]
        assert_same([whole[i] for i in order], given, 0 if kind in EXACT else 1e-5)

    holds()
    assert_same(whole, [told([i])[0] for i in range(N)], 0 if kind in EXACT else 1e-5)


def plain() -> np.ndarray:
    """Four pictures of one colour each, two of them the same."""
    return np.stack([np.full((28, 28, 3), colour, np.uint8) for colour in (GREEN, RED, GREEN, (30, 40, 200))])


def drawings() -> np.ndarray:
    """Nine animals, three of them with a sign."""
    scenes = [sample_scene(random.Random(i), with_sign=i % 3 == 0) for i in range(N)]
    return np.stack([draw(scene).pixels for scene in scenes])


def seen(verdict: Verdict) -> list[Any]:
    """Every number of a verdict, by name or place."""
    features = [] if verdict.features is None else verdict.features.tolist()
    maps = {name: heatmap.tolist() for name, heatmap in verdict.heatmaps.items()}
    return [verdict.status, verdict.value, verdict.text, verdict.scores, features, maps]


def assert_same(expected: Sequence[Verdict], given: Sequence[Verdict], tolerance: float) -> None:
    assert len(expected) == len(given)
    for a, b in zip(expected, given, strict=True):
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
