"""Garbage: what it looks like, and how it is labelled."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from menagerie.world.damage import KINDS
from menagerie.world.garbage import Labelled, empty_scene, flat, garbage, shuffled, smeared
from menagerie.world.picture import sample


def test_garbage_is_never_called_clean():
    rng = random.Random(0)
    for seed in range(60):
        pixels, categories = garbage(sample(seed).pixels, rng)
        assert pixels.shape == (64, 64, 3)
        assert pixels.dtype == np.uint8
        assert categories
        assert set(categories) <= set(KINDS)


def test_shuffling_keeps_the_pixels_and_loses_the_picture():
    pixels = sample(5).pixels
    laid, _ = shuffled(pixels, random.Random(1))
    assert np.array_equal(np.sort(laid.reshape(-1, 3), 0), np.sort(pixels.reshape(-1, 3), 0))
    assert not np.array_equal(laid, pixels)


@pytest.mark.parametrize("kind", [empty_scene, flat])
def test_what_is_empty_lacks_its_animal(kind: Callable[[random.Random], Labelled]):
    assert kind(random.Random(2))[1] == ("omitted",)


def test_a_smeared_picture_has_no_edges_left():
    pixels = sample(7, damaged=0).pixels
    blurred, _ = smeared(pixels, random.Random(0))
    assert np.abs(np.diff(blurred.astype(int), axis=0)).max() < np.abs(np.diff(pixels.astype(int), axis=0)).max() / 3
