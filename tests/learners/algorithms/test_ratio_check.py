# pyright: strict
"""The start-up check on plain numbers; test_ddpo.py runs it on real rollouts."""

import numpy as np
import pytest

from learners.algorithms.ratio_check import RatioError, check_ratio

TIMESTEPS = np.array([801, 401, 1])


def test_agreement_passes_and_reports_the_worst_per_timestep():
    learner, timesteps = np.array([1e-6, 0, 0, -2e-6, 0, 3e-6]), np.tile(TIMESTEPS, 2)
    worst = check_ratio(learner, np.zeros(6), timesteps, 1e-5)
    assert worst == pytest.approx({801: 2e-6, 401: 0, 1: 3e-6}, rel=1e-3)


def test_a_mismatch_names_timestep_and_size_and_what_to_check():
    learner = np.array([0, 5e-4, 0])
    with pytest.raises(RatioError, match=r"timestep  401: \|r - 1\| = 5\.00e-04") as caught:
        check_ratio(learner, np.zeros(3), TIMESTEPS, 1e-5)
    assert "1 of 3 timesteps" in str(caught.value)
    assert "sampler.guidance" in str(caught.value)
    assert "timestep  801" not in str(caught.value)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_log_prob_that_is_not_finite_is_a_mismatch(broken: float) -> None:
    with pytest.raises(RatioError, match="timestep    1"):
        check_ratio(np.array([0, 0, broken]), np.zeros(3), TIMESTEPS, 1e-5)
