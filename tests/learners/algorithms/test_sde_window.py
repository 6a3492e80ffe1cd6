# pyright: strict
"""The SDE window: noise, record and training inside, deterministic steps outside."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plain_loop import ddpo, load_policy, roll
from pydantic import ValidationError

from actors.config import SamplerConfig
from actors.diffusion.sampler import Sampler, draw_noise
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup
from learners.algorithms.ddpo import DDPOConfig, DDPOLearner
from learners.config import LearnerConfig
from learners.settings import TrainingSpec

GROUPS, SAMPLES = 2, 4
SEED = 4
"""Of a run whose first two groups have their windows at different places."""
STEPS = np.array([True] * 8 + [False])
WINDOW = {"size": 2, "moves": "random"}


def config(window: dict[str, Any], **more: Any) -> DDPOConfig:
    return DDPOConfig.model_validate({"sde_window": window, **more})


def spec(seed: int = 0, guidance: float = 1.0, groups: int = GROUPS) -> TrainingSpec:
    return TrainingSpec(LearnerConfig(), SamplerConfig(steps=5, eta=0.7, guidance=guidance), groups, SAMPLES, seed)


def make(folder: Path, window: dict[str, Any], guidance: float = 1.0) -> DDPOLearner:
    settings = LearnerConfig(lr=1e-3, algorithm=config(window, kl=0.1))
    return ddpo(load_policy(folder), settings, GROUPS, SAMPLES, spec(guidance=guidance).sampler, seed=SEED)


def rolled(learner: DDPOLearner) -> list[JudgedGroup]:
    indices, sampler = range(learner.version * GROUPS, (learner.version + 1) * GROUPS), learner.spec.sampler
    return roll(learner.policy, learner.version, indices, SAMPLES, sampler, recording=learner.recording)


@given(
    seed=st.integers(0, 2**63 - 1),
    index=st.integers(0, 10**9),
    size=st.integers(1, 4),
    share=st.floats(0.5, 1),
    moves=st.sampled_from(["random", "progressive"]),
)
def test_both_sides_compute_the_same_window_of_steps_that_may_be_trained(
    seed: int, index: int, size: int, share: float, moves: str
):
    window = {"size": size, "moves": moves}
    actor = partial(config(window, timestep_window=share).recording, spec(seed))(STEPS)
    learner = config(window, timestep_window=share).recording(spec(seed), STEPS.copy())
    span = actor.span(index)
    assert span == learner.span(index)
    assert len(span) == len(actor) == size
    assert set(span) <= set(config(window, timestep_window=share).steps(STEPS).tolist())


def test_a_random_window_is_drawn_for_each_group_and_takes_every_place():
    recording = config(WINDOW, timestep_window=0.5).recording(spec(), STEPS)
    assert {recording.span(index).start for index in range(100)} == {0, 1, 2}
    other = config(WINDOW, timestep_window=0.5).recording(spec(seed=1), STEPS)
    assert [recording.span(i) for i in range(50)] != [other.span(i) for i in range(50)]


def test_a_progressive_window_moves_on_with_the_updates_and_begins_again():
    window = config({"size": 3, "moves": "progressive", "every": 2}, timestep_window=0.5)
    recording = window.recording(spec(groups=4), STEPS)
    updates = [{recording.span(4 * update + group).start for group in range(4)} for update in range(9)]
    assert updates == [{0}, {0}, {1}, {1}, {0}, {0}, {1}, {1}, {0}]


def test_the_window_is_trained_whole_and_it_alone():
    arithmetic = config(WINDOW).arithmetic(spec(), STEPS)
    assert (arithmetic.steps, arithmetic.trained_steps) == (2, 2)
    assert "a window drawn for each group among the first 8" in config(WINDOW).window_in_words(STEPS)


@pytest.mark.parametrize("kind", ["tiny_policy_dir", "tiny_flow_dir"])
def test_steps_outside_are_deterministic_and_the_recorded_ones_replay_exactly(
    kind: str, request: pytest.FixtureRequest
):
    policy, algorithm = load_policy(request.getfixturevalue(kind)), config({"size": 2})
    settings = spec(guidance=2.0)
    sampler = Sampler(policy, settings.sampler, partial(algorithm.recording, settings))
    plain, still = (policy.transition(settings.sampler.model_copy(update={"eta": eta})) for eta in (0.7, 0.0))
    index = next(i for i in range(99) if sampler.recording.span(i).start == 1)
    made = sampler.sample(Ticket(1, index, 0, "a cat", (3, 4), 0), 0)
    assert made.span == range(1, 3)
    noise = draw_noise((3, 4), 5, policy.latent_shape)
    cond, uncond, x = policy.encode(["a cat"] * 2), policy.encode([""]), noise[:, 0]
    with torch.no_grad():
        for j in range(5):
            transition = plain if j in made.span else still
            output = policy.predict(x, transition.timesteps[j].expand(2), cond, uncond, 2.0)
            before, (x, log_prob) = x, transition.step(output, j, x, noise=noise[:, j + 1])
            if j in made.span:
                assert torch.equal(before, torch.as_tensor(made.latents[:, j - 1]))
                assert torch.equal(log_prob, torch.as_tensor(made.log_probs[:, j - 1]))
    assert np.array_equal(policy.decode(x), made.images)
    # No place of the window is an evaluation's, so that draws without any noise, and says so.
    quiet = Sampler(policy, settings.sampler.model_copy(update={"eta": 0.0}))
    assert np.array_equal(sampler.images(["a cat"] * 2, (3, 4)), quiet.images(["a cat"] * 2, (3, 4)))
    assert sampler.settings == quiet.settings


@pytest.mark.parametrize("guidance", [1.0, 4.5])
@pytest.mark.parametrize("kind", ["tiny_policy_dir", "tiny_flow_dir"])
def test_the_ratio_of_a_fresh_batch_is_one(kind: str, guidance: float, request: pytest.FixtureRequest):
    learner = make(request.getfixturevalue(kind), WINDOW, guidance)
    groups = rolled(learner)
    assert len({group.trajectories.start for group in groups}) == 2, "two places would show a mistake, one need not"
    stats = learner.update(groups)
    assert stats["startup_ratio_off"] <= 1e-5
    assert stats["ratio/max"] == pytest.approx(1, abs=1e-5)
    assert stats["grad_norm"] > 0
    assert stats["sde_window/first"] == 1 + np.mean([group.trajectories.start for group in groups])


@pytest.mark.parametrize("window", [WINDOW, {"size": 2, "moves": "progressive", "every": 1}])
def test_a_restored_learner_continues_bit_for_bit(tiny_policy_dir: Path, tmp_path: Path, window: dict[str, Any]):
    straight, resumed = make(tiny_policy_dir, window), make(tiny_policy_dir, window)
    straight.update(rolled(straight))
    straight.save(tmp_path / "checkpoint")
    resumed.restore(tmp_path / "checkpoint")
    for _ in range(2):
        ours, theirs = resumed.update(rolled(resumed)), straight.update(rolled(straight))
        ours.pop("startup_ratio_off", None)
        assert ours == theirs
        assert resumed.adapter().checksum() == straight.adapter().checksum()


def test_what_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match=r"sde_window\.size: 5 is more than the 4 of the 5 steps"):
        config({"size": 5}, timestep_window=0.5).arithmetic(spec(), STEPS)
    for wrong in ({"sde_window": {"size": 1, "every": 3}}, {"sde_window": {"size": 2}, "timestep_fraction": 0.5}):
        with pytest.raises(ValidationError, match=r"progressive|trained whole"):
            DDPOConfig.model_validate(wrong)
    assert DDPOConfig.model_validate({"sde_window": {"size": 2}, "timestep_fraction": 1.0}).sde_window is not None
