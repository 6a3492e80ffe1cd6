"""Pictures that show nothing, so that judges learn that nothing is not the same as nothing wrong.

A policy under reward finds what its judges have never seen: dark fields without an animal, noise, shards of pictures.
Every judge of artifacts is therefore trained on such pictures too, each with the artifacts that a person would name.
"""

from __future__ import annotations

import random

import numpy as np
import torch
from PIL import Image, ImageFilter

from menagerie.world.canvas import SCALE, background
from menagerie.world.scene import COLOURS, SETTINGS

NOISE = ("distorted and deformated", "abnormal texture")
EMPTY = ("omitted",)
Labelled = tuple[np.ndarray, tuple[str, ...]]


def empty_scene(rng: random.Random) -> Labelled:
    """A setting without any animal, perhaps darkened."""
    image = background(rng.choice(tuple(SETTINGS)), rng.uniform(0.4, 0.7)).reduce(SCALE)
    pixels = np.asarray(image).astype(np.float32) * rng.choice((1.0, 1.0, rng.uniform(0.2, 0.9)))
    return pixels.astype(np.uint8), EMPTY


def flat(rng: random.Random) -> Labelled:
    """One colour, or a gradient between two."""
    a, b = (np.array(rng.choice(tuple(COLOURS.values()))) * rng.uniform(0.3, 1) for _ in range(2))
    if rng.random() < 0.4:
        b = a
    ramp = np.linspace(0, 1, 64)[:, None, None] if rng.random() < 0.5 else np.linspace(0, 1, 64)[None, :, None]
    return np.broadcast_to(a + (b - a) * ramp, (64, 64, 3)).astype(np.uint8), EMPTY


def shuffled(pixels: np.ndarray, rng: random.Random) -> Labelled:
    """The picture cut into tiles and laid anew."""
    side = rng.choice((8, 16, 16))
    n = 64 // side
    tiles = pixels.reshape(n, side, n, side, 3).swapaxes(1, 2).reshape(n * n, side, side, 3)
    order = list(range(n * n))
    rng.shuffle(order)
    laid = tiles[order].reshape(n, n, side, side, 3).swapaxes(1, 2).reshape(64, 64, 3)
    return np.ascontiguousarray(laid), NOISE


def smeared(pixels: np.ndarray, rng: random.Random) -> Labelled:
    """The whole picture out of focus, so far that no animal is left."""
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(7, 12)))
    return np.asarray(blurred), ("omitted", "localized blur")


def noisy_latents(latents: torch.Tensor, rng: random.Random, generator: torch.Generator) -> torch.Tensor:
    """Latents `[C, h, w]` most of whose signal is noise, coarse or fine: a sampler that failed."""
    noise = torch.randn(latents.shape, generator=generator)
    if rng.random() < 0.5:
        coarse = torch.nn.functional.avg_pool2d(noise[None], 2) * 2
        noise = torch.nn.functional.interpolate(coarse, scale_factor=2)[0]
    share = rng.uniform(0.0, 0.3)
    return share**0.5 * latents + (1 - share) ** 0.5 * noise * rng.uniform(0.7, 1.6)


def garbage(pixels: np.ndarray, rng: random.Random) -> Labelled:
    """One piece of garbage that needs no decoder, made of a picture `[64, 64, 3]` or of nothing."""
    kind = rng.choice((empty_scene, empty_scene, flat, shuffled, shuffled, smeared))
    return kind(rng) if kind in (empty_scene, flat) else kind(pixels, rng)  # type: ignore[call-arg]
