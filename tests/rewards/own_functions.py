"""Functions that a user might name as a judge; some go wrong when a picture's first pixel is BAD."""

from __future__ import annotations

import math

import numpy as np

BAD = 20


def says_nan(image: np.ndarray, prompt: str) -> float:
    return math.nan if image[0, 0, 0] == BAD else 1.0


def says_infinity(image: np.ndarray, prompt: str) -> float:
    return math.inf if image[0, 0, 0] == BAD else 1.0


def says_nothing(image: np.ndarray, prompt: str) -> float | None:
    return None if image[0, 0, 0] == BAD else 1.0


def raises(image: np.ndarray, prompt: str) -> np.float32:
    return np.float32({"a dog": 1.0}[prompt] if image[0, 0, 0] != BAD else {}["cat"])


def paints(image: np.ndarray, prompt: str) -> float:
    image[:] = 0
    return float(image.mean())


async def waits(image: np.ndarray, prompt: str) -> float:
    return 1.0


def too_few(image: np.ndarray) -> float:
    return 1.0
