from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from learners.maths.forward_noise import draw_noise
from learners.maths.noise_levels import NoiseLevels, stratified

STEPS = np.array([900, 600, 300, 0])


def draw(levels: NoiseLevels, index: int = 0, samples: int = 2000, draws: int = 4, version: int = 0) -> np.ndarray:
    return levels.draw((7, version, 0, index), samples, draws, 1000, STEPS)


@pytest.mark.parametrize("kind", ["uniform", "logit_normal", "sampler"])
def test_levels_are_a_function_of_their_key(kind: Literal["uniform", "logit_normal", "sampler"]):
    levels = NoiseLevels(kind=kind)
    assert np.array_equal(draw(levels), draw(levels))
    for other in (draw(levels, index=1), draw(levels, version=1)):
        assert not np.array_equal(draw(levels), other)


def test_uniform_levels_are_everywhere_and_those_of_one_picture_far_apart():
    drawn = draw(NoiseLevels())
    assert drawn.min() < 10
    assert drawn.max() > 989
    assert drawn.mean() == pytest.approx(499.5, abs=10)
    # Of four draws each quarter gets one.
    assert np.array_equal(np.sort(drawn // 250, axis=1), np.tile(np.arange(4), (2000, 1)))
    # In random order: no draw of a picture is the noisy one.
    assert np.ptp(drawn.mean(0)) < 50


def test_a_logit_normal_has_the_mean_and_the_deviation_that_were_asked_for():
    t = (draw(NoiseLevels(kind="logit_normal", mean=0.5, std=0.8)) + 0.5) / 1000
    logit = np.log(t / (1 - t))
    assert logit.mean() == pytest.approx(0.5, abs=0.02)
    assert logit.std() == pytest.approx(0.8, abs=0.02)


def test_levels_of_the_sampler_are_its_own_and_as_many_draws_as_steps_meet_each_once():
    drawn = draw(NoiseLevels(kind="sampler"))
    assert np.array_equal(np.sort(drawn, axis=1), np.tile(np.sort(STEPS), (2000, 1)))


def test_stratified_numbers_are_uniform():
    numbers = stratified(np.random.default_rng(1), 3000, 3)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.histogram(numbers, 9, (0, 1))[0] == pytest.approx(np.full(9, 1000), rel=0.15)


def test_settings_of_another_kind_are_refused():
    with pytest.raises(ValidationError, match="mean and std: a setting of kind: logit_normal; this is uniform"):
        NoiseLevels(mean=0.0, std=1.0)
    with pytest.raises(ValidationError, match="greater than 0"):
        NoiseLevels(kind="logit_normal", std=0)


def test_noise_is_a_function_of_its_key_alone():
    keys = [(7, 0, 0, 1, 2, 3), (7, 0, 0, 1, 2, 4), (2**63 - 1, 10**6, 0, 10**9, 0, 0)]
    both = draw_noise(keys, (3, 16, 16))
    assert torch.equal(both[1:], draw_noise(keys[1:], (3, 16, 16)))
    assert not torch.equal(both[0], both[1])
    assert both.mean().abs() < 0.1
    assert both.std() == pytest.approx(1, abs=0.05)
