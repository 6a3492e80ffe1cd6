"""The flow's transition: Flow-GRPO's step, the Euler sampler as its limit, and the flow's own distributions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.distributions import Normal

from actors.diffusion.transitions.flow import FlowTransition

Scheduler: Any = FlowMatchEulerDiscreteScheduler
SHAPE = (3, 4, 8, 8)


def normal(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def transition(steps: int, eta: float, **config: Any) -> FlowTransition:
    return FlowTransition.from_config(Scheduler(**config).config, steps, eta)


@settings(max_examples=20, deadline=None)
@example(steps=2, shift=1.4191544778982506, eta=1e-3, seed=0)  # begins above 1, by rounding
@given(steps=st.integers(1, 60), shift=st.floats(0.5, 6), eta=st.floats(1e-5, 1e-3), seed=st.integers(0, 99))
def test_with_little_noise_a_step_is_the_euler_step_of_diffusers(steps: int, shift: float, eta: float, seed: int):
    theirs = Scheduler(shift=shift)
    ours = FlowTransition.from_config(theirs.config, steps, eta)
    theirs.set_timesteps(steps)
    assert torch.equal(ours.timesteps, theirs.timesteps)
    output, x, noise = normal(seed), normal(seed + 1), normal(seed + 2)
    for j, t in enumerate(theirs.timesteps):
        expected = theirs.step(output, t, x, return_dict=False)[0]
        torch.testing.assert_close(ours.step(output, j, x, noise=noise)[0], expected, rtol=0, atol=10 * eta + 1e-5)


@pytest.mark.parametrize("eta", [0.3, 0.7, 1.0])
def test_a_step_in_the_middle_is_the_euler_maruyama_step_of_flow_grpo(eta: float):
    ours = transition(8, eta)
    times = [*(ours.timesteps / 1000).numpy().tolist(), 0.0]
    x, v, noise = normal(0).double(), normal(1).double(), normal(2).double()
    for j in range(1, 7):
        t, dt = times[j], times[j + 1] - times[j]
        sigma = eta * (t / (1 - t)) ** 0.5
        expected = x + (v + sigma**2 / (2 * t) * (x + (1 - t) * v)) * dt + sigma * (-dt) ** 0.5 * noise
        stepped = ours.step(v, j, x, noise=noise)[0]
        torch.testing.assert_close(stepped, expected.float(), rtol=1e-5, atol=1e-5)


def test_the_first_step_is_as_noisy_as_eta_says_and_the_last_is_deterministic():
    ours = transition(8, 0.7)
    assert ours.stochastic.numpy().tolist() == [True] * 7 + [False]
    assert float(ours.std[0]) == pytest.approx(0.7)
    output, x, noise = normal(0).requires_grad_(), normal(1), normal(2)
    x_prev, log_prob = ours.step(output, 7, x, noise=noise)
    torch.testing.assert_close(x_prev, x - 0.001 * output.detach())
    assert torch.equal(log_prob, torch.zeros(3))
    (gradient,) = torch.autograd.grad(log_prob.sum(), output)
    assert torch.equal(gradient, torch.zeros(SHAPE))


@pytest.mark.parametrize("eta", [0.3, 0.7, 1.0])
@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (2.0, 0.3)])
def test_with_the_exact_velocity_every_time_has_the_distribution_of_the_flow(eta: float, mean: float, spread: float):
    """Data N(mean, spread²): E[ε - x_0 | x_t] is known, and x_t has mean (1 - t) mean and variance
    (1 - t)² spread² + t²."""
    ours = transition(1500, eta)
    times = [*(ours.timesteps.double() / 1000).numpy().tolist(), 0.0]
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(20_000, 1, generator=generator)
    for j, t in enumerate(times[:-1]):
        variance = (1 - t) ** 2 * spread**2 + t**2
        velocity = -mean + (t - (1 - t) * spread**2) / variance * (x - (1 - t) * mean)
        x, _ = ours.step(velocity, j, x, noise=torch.randn(x.shape, generator=generator))
        if j in (500, 1000, 1300, 1499):
            s = times[j + 1]
            expected = ((1 - s) ** 2 * spread**2 + s**2) ** 0.5
            assert float(x.mean()) == pytest.approx((1 - s) * mean, abs=4 * expected / 20_000**0.5 + 2e-3)
            assert float(x.std()) == pytest.approx(expected, rel=0.025)


def test_the_log_prob_is_torchs_normal_and_scoring_gives_what_sampling_gave():
    ours = transition(8, 0.7, shift=3.0)
    output, x, noise = normal(0), normal(1), normal(2)
    for j in range(len(ours) - 1):
        x_prev, log_prob = ours.step(output, j, x, noise=noise)
        expected = Normal(ours.mean(output, j, x), ours.std[j]).log_prob(x_prev).mean(dim=(1, 2, 3))
        torch.testing.assert_close(log_prob, expected)
        assert torch.equal(ours.step(output, j, x, x_prev=x_prev)[1], log_prob)


@pytest.mark.parametrize("config", [{"use_dynamic_shifting": True}, {"invert_sigmas": True}])
def test_times_that_depend_on_the_resolution_or_run_upwards_are_refused(config: dict[str, bool]):
    with pytest.raises(ValueError, match=r"policy\.model: its scheduler has use_dynamic_shifting or invert_sigmas"):
        transition(8, 0.7, **config)
