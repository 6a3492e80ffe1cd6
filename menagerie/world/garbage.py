"""Garbage: pictures that show nothing recognisable, with the artifacts that a person would name.

A policy that is optimised against judges finds inputs that they were not trained on: empty scenes, noise, shuffled
pieces of pictures. Judges of artifacts are trained on such pictures, too, so that they don't take them for flawless.
"""

from __future__ import annotations

import random
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

from menagerie.world.canvas import SCALE, background
from menagerie.world.scene import COLOURS, SETTINGS
from rewards.arrays import ImageArray

NOISE = ("distorted and deformated", "abnormal texture")
EMPTY = ("omitted",)
Labelled = tuple[ImageArray, tuple[str, ...]]
"""A picture `[64, 64, 3]`, and its categories of artifacts."""


def empty_scene(rng: random.Random) -> Labelled:
    """A setting without animals; some are darkened."""
    image = background(rng.choice(tuple(SETTINGS)), rng.uniform(0.4, 0.7)).reduce(SCALE)
    pixels = np.asarray(image).astype(np.float32) * rng.choice((1.0, 1.0, rng.uniform(0.2, 0.9)))
    return pixels.astype(np.uint8), EMPTY


def flat(rng: random.Random) -> Labelled:
    """A single colour, or a gradient between two."""
    a, b = (np.array(rng.choice(tuple(COLOURS.values()))) * rng.uniform(0.3, 1) for _ in range(2))
    if rng.random() < 0.4:
        b = a
    ramp = np.linspace(0, 1, 64)[:, None, None] if rng.random() < 0.5 else np.linspace(0, 1, 64)[None, :, None]
    return np.broadcast_to(a + (b - a) * ramp, (64, 64, 3)).astype(np.uint8), EMPTY


def shuffled(pixels: ImageArray, rng: random.Random) -> Labelled:
    """The picture cut into tiles, which are shuffled."""
    side = rng.choice((8, 16, 16))
    n = 64 // side
    tiles = pixels.reshape(n, side, n, side, 3).swapaxes(1, 2).reshape(n * n, side, side, 3)
    order = list(range(n * n))
    rng.shuffle(order)
    laid = tiles[order].reshape(n, n, side, side, 3).swapaxes(1, 2).reshape(64, 64, 3)
    return np.ascontiguousarray(laid), NOISE


def smeared(pixels: ImageArray, rng: random.Random) -> Labelled:
    """The whole picture blurred until no animal can be recognised."""
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(7, 12)))
    return np.asarray(blurred), ("omitted", "localized blur")


def garbage(pixels: ImageArray, rng: random.Random) -> Labelled:
    """A random kind of garbage; some kinds are made from `pixels` `[64, 64, 3]`."""
    empty, tiles = partial(empty_scene, rng), partial(shuffled, pixels, rng)
    return rng.choice((empty, empty, partial(flat, rng), tiles, tiles, partial(smeared, pixels, rng)))()
