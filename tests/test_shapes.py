# pyright: strict
"""The shapes that pure maths is annotated with are checked in every test."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from learners.maths.advantages import decoupled_advantages, group_advantages
from learners.maths.objectives import gaussian_kl, ppo_clipped
from learners.maths.schedule import MicroBatch


def test_arguments_of_different_shapes_are_refused() -> None:
    three, four = torch.zeros(3), torch.zeros(4)
    with pytest.raises(TypeCheckError, match="behaviour"):
        ppo_clipped(three, three, four, three, 0.1, 2.0)
    with pytest.raises(TypeCheckError, match="weights"):
        decoupled_advantages(np.zeros((2, 3, 4)), np.ones(3), np.zeros((3, 4)))
    with pytest.raises(TypeCheckError, match="step"):
        MicroBatch(np.zeros(3, np.int64), np.zeros(4, np.int64))


def test_arguments_of_too_few_or_many_dimensions_are_refused() -> None:
    with pytest.raises(TypeCheckError, match="rewards"):
        group_advantages(np.zeros(4))
    with pytest.raises(TypeCheckError, match="mean"):
        gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3), torch.ones(()))


def test_nothing_is_checked_outside_of_tests() -> None:
    look = "import sys, learners.maths.objectives; print('beartype' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
