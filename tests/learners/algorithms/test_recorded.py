# pyright: strict
"""What algorithms ask rollouts to record, and that the learner takes nothing else."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_loop import SAMPLER, ddpo, load_policy, roll

from actors.recording import Recording
from actors.trajectory import JudgedGroup
from learners.algorithms.algorithm import AlgorithmConfig
from learners.algorithms.ddpo import DDPOConfig, DDPOLearner
from learners.algorithms.ratio_check import RatioError
from learners.config import LearnerConfig
from learners.settings import TrainingSpec

GROUPS, SAMPLES = 2, 4


def make(folder: Path, **algorithm: Any) -> DDPOLearner:
    config = LearnerConfig(lr=1e-2, algorithm=DDPOConfig(**algorithm))
    return ddpo(load_policy(folder), config, GROUPS, SAMPLES)


def rolled(learner: DDPOLearner, recording: Recording | None) -> list[JudgedGroup]:
    indices = range(learner.version * GROUPS, (learner.version + 1) * GROUPS)
    return roll(learner.policy, learner.version, indices, SAMPLES, recording=recording)


def test_ddpo_records_up_to_the_last_step_that_may_be_trained():
    last_is_still = np.array([True] * 7 + [False])
    spec = TrainingSpec(LearnerConfig(), SAMPLER, GROUPS, SAMPLES)
    assert DDPOConfig().recording(spec, last_is_still) == Recording(0, 7)
    assert DDPOConfig(timestep_window=0.5).recording(spec, last_is_still) == Recording(0, 4)
    recorder = partial(DDPOConfig(timestep_window=0.25).recording, spec)
    assert pickle.loads(pickle.dumps(recorder))(last_is_still).span(17) == range(2)


def test_a_window_of_recorded_steps_is_trained_as_the_whole_trajectories_were(tiny_policy_dir: Path):
    """The numbers do not depend on what else is recorded: the same pairs, the same noise."""
    learner, other = (make(tiny_policy_dir, timestep_window=0.5, timestep_fraction=0.5) for _ in range(2))
    other.recording = Recording(0, SAMPLER.steps)
    for _ in range(2):
        ours, theirs = learner.update(rolled(learner, learner.recording)), other.update(rolled(other, None))
        assert ours == theirs
    assert learner.adapter().checksum() == other.adapter().checksum()
    assert rolled(learner, learner.recording)[0].trajectories.latents.shape[1] == 3


@pytest.mark.parametrize("recording", [None, Recording(1, 3), Recording.clean(np.ones(4, bool))])
def test_a_group_that_was_recorded_elsewhere_is_refused_before_the_first_step(
    tiny_policy_dir: Path, recording: Recording | None
):
    learner = make(tiny_policy_dir, timestep_window=0.5)
    before = learner.adapter().checksum()
    with pytest.raises(RatioError, match=r"group 0 have steps .* recorded, the learner trains 1 to 2"):
        learner.update(rolled(learner, recording))
    assert (learner.version, learner.adapter().checksum()) == (0, before)


def test_an_algorithm_on_clean_latents_records_no_step_and_needs_no_noise():
    class CleanConfig(DDPOConfig):
        on_clean_latents = True

    still = TrainingSpec(LearnerConfig(), SAMPLER.model_copy(update={"eta": 0.0}), GROUPS, SAMPLES)
    assert [*CleanConfig().problems(still)] == []
    assert AlgorithmConfig.recording(CleanConfig(), still, np.zeros(4, bool)) == Recording(4, 4)
    (problem,) = DDPOConfig().problems(still)
    assert problem.startswith("sampler.eta: 0 makes every step deterministic")


def test_latents_stay_in_the_main_memory_where_they_would_fill_the_devices(
    tiny_policy_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    import torch

    from learners.algorithms import likelihood

    groups = rolled(make(tiny_policy_dir), None)
    rollouts = likelihood.Rollouts.of(groups, np.zeros((GROUPS, SAMPLES), np.float32), 0)
    assert rollouts.near(torch.device("cpu")) is rollouts

    def too_little(device: object) -> int:
        return 16 * rollouts.latents.nbytes - 1

    monkeypatch.setattr(likelihood, "device_memory", too_little)
    assert rollouts.near(torch.device("cuda")) is rollouts
