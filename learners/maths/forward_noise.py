"""The noise of the forward process: a function of (seed, version, epoch, index, sample, draw) alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from learners.maths.noise_levels import LEVELS

NOISE = LEVELS + 1
"""Ends the key of the noise's generator, see LEVELS."""


def draw_noise(keys: Sequence[Sequence[int]], shape: tuple[int, ...]) -> Float[Tensor, " n *latent"]:
    """Standard normal noise of `shape` for each key, on the CPU: the same whatever the micro-batch, worker or device.

    Each key is seed, version, epoch, the group's index, the sample in it, and which draw of the sample it is.
    """
    return torch.stack([torch.randn(shape, generator=_generator(key)) for key in keys])


def _generator(key: Sequence[int]) -> torch.Generator:
    high, low = np.random.SeedSequence((*key, NOISE)).generate_state(2, np.uint32).tolist()
    return torch.Generator().manual_seed((high << 31) | (low >> 1))
