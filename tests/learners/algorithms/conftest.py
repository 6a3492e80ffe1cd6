"""What the tests of algorithms share: the modules beside this file, a policy with v-prediction, and what it learnt."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import save_tiny_policy

from actors.trajectory import JudgedGroup

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def tiny_v_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny policy with v-prediction."""
    return save_tiny_policy(tmp_path_factory.mktemp("tiny") / "v", prediction_type="v_prediction")


@pytest.fixture
def sample_errors() -> Callable[[Any, Sequence[JudgedGroup]], np.ndarray]:
    """A function of a learner and groups: the denoising error of each sample of the first group, `[samples]`, the mean
    over ten noise levels."""
    from learners.algorithms.denoiser import CleanExamples
    from learners.maths.forward_losses import squared_error
    from learners.maths.schedule import MicroBatch

    def errors(learner: Any, groups: Sequence[JudgedGroup]) -> np.ndarray:
        samples = len(groups[0].rewards)
        examples = CleanExamples.of_samples(groups[:1], 0, np.ones((1, samples), np.float32))
        levels = np.tile(np.arange(20, 1000, 100), (samples, 1))
        pairs = MicroBatch(np.repeat(np.arange(samples), 10), np.tile(np.arange(10), samples))
        noised = learner.denoiser.noised(examples, pairs, levels, 0, 0)
        output = learner.denoiser.frozen(noised, learner.engine)
        return squared_error(output, noised.target).view(samples, 10).mean(1).numpy()

    return errors
