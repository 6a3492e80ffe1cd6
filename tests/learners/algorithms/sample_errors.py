"""How well a learner's policy predicts each picture of a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from actors.trajectory import JudgedGroup


def sample_errors(learner: Any, groups: Sequence[JudgedGroup]) -> np.ndarray:
    """`[samples]`: the denoising error of each sample of the first group, the mean over ten noise levels."""
    from learners.algorithms.denoiser import CleanExamples
    from learners.maths.forward_losses import squared_error
    from learners.maths.schedule import MicroBatch

    samples = len(groups[0].rewards)
    examples = CleanExamples.of_samples(groups[:1], 0, np.ones((1, samples), np.float32))
    levels = np.tile(np.arange(20, 1000, 100), (samples, 1))
    pairs = MicroBatch(np.repeat(np.arange(samples), 10), np.tile(np.arange(10), samples))
    noised = learner.denoiser.noised(examples, pairs, levels, 0, 0)
    output = learner.denoiser.frozen(noised, learner.engine)
    return squared_error(output, noised.target).view(samples, 10).mean(1).numpy()
