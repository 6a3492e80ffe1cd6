"""Every kind of judge keeps the promise: split, order and size of a batch do not change a verdict."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from promise import N, keeps_its_promise
from small_vision import GREEN, RED

from menagerie.world.picture import draw
from menagerie.world.scene import sample_scene
from rewards.registry import JUDGES, build_judge, judge_config

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
    "detector": lambda folder: {"model": str(folder("owl_dir")), "metadata_keys": ["animals"]},
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
    cases = {case.partition(",")[0] for case in CASES}
    assert cases <= {*JUDGES, "menagerie.heldout_judge:HeldoutJudge"}
    tests = {path.stem: path.read_text("utf-8") for path in Path(__file__).parent.rglob("test_*.py")}
    elsewhere = {kind for kind in JUDGES if "keeps_its_promise(" in tests.get(f"test_{kind}", "")}
    assert cases | elsewhere >= JUDGES.keys(), "a kind without a case calls keeps_its_promise in its own test"


@pytest.mark.parametrize("case", CASES)
def test_split_order_and_size_of_a_batch_do_not_change_a_verdict(
    case: str, request: pytest.FixtureRequest, noise: np.ndarray
):
    kind = case.partition(",")[0]
    config = judge_config(kind, **CASES[case](request.getfixturevalue))
    if extra := config.requires:
        # ImportError, too: OpenCV wants the system's libGL.
        pytest.importorskip(extra[0], reason=f"pip install 'salon[{extra[1]}]'", exc_type=ImportError)
    images = drawings() if kind in ("ocr", "safety") else np.concatenate([noise[:5], plain()])
    judge = build_judge("j", config)
    keeps_its_promise(judge, images, tolerance=0 if kind in EXACT else 1e-5, examples=3 if kind == "ocr" else 8)


def plain() -> np.ndarray:
    """Four pictures of one colour each, two of them the same."""
    return np.stack([np.full((28, 28, 3), colour, np.uint8) for colour in (GREEN, RED, GREEN, (30, 40, 200))])


def drawings() -> np.ndarray:
    """Nine animals, three of them with a sign."""
    scenes = [sample_scene(random.Random(i), with_sign=i % 3 == 0) for i in range(N)]
    return np.stack([draw(scene).pixels for scene in scenes])
