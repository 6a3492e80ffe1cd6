# pyright: strict
"""Coefficients-preserving sampling against its formula, against Euler, and against the flow's own distribution."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from actors.diffusion.transitions.cps import CPSTransition
from actors.diffusion.transitions.ddim import DDIMTransition
from actors.diffusion.transitions.flow import FlowTransition
from actors.diffusion.transitions.transition import Transition

Scheduler = cast(Any, FlowMatchEulerDiscreteScheduler)


def transition(steps: int, eta: float, shift: float = 3.0) -> Transition:
    return FlowTransition.from_config(Scheduler(shift=shift).config, steps, eta).with_noise("cps")


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("eta", [0.3, 0.7, 1.0])
def test_a_step_is_the_papers_formula(eta: float):
    ours, times = transition(6, eta), Scheduler(shift=3.0)
    times.set_timesteps(6)
    x, v, noise = (drawn(seed, 3, 2, 4, 4) for seed in range(3))
    for j in range(5):
        t, s = float(times.sigmas[j]), float(times.sigmas[j + 1])
        sigma = s * math.sin(eta * math.pi / 2)
        expected = (1 - s) * (x - t * v) + math.sqrt(s**2 - sigma**2) * (x + (1 - t) * v) + sigma * noise
        torch.testing.assert_close(ours.step(v, j, x, noise=noise)[0], expected, rtol=1e-5, atol=1e-5)
        assert float(ours.std[j]) == pytest.approx(sigma)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_without_noise_a_step_is_the_euler_step_of_diffusers(shift: float):
    ours, theirs = transition(7, 0.0, shift), Scheduler(shift=shift)
    theirs.set_timesteps(7)
    x, v = drawn(0, 2, 4, 4, 4), drawn(1, 2, 4, 4, 4)
    assert torch.equal(ours.timesteps, theirs.timesteps)
    for j, t in enumerate(theirs.timesteps):
        torch.testing.assert_close(ours.step(v, j, x, noise=drawn(2, *x.shape))[0], theirs.step(v, t, x).prev_sample)
    near = transition(7, 1e-3, shift)
    torch.testing.assert_close(near.mean(v, 2, x), ours.mean(v, 2, x), rtol=0, atol=1e-4)
    assert float(near.std.max()) < 2e-3


@pytest.mark.parametrize("eta", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("steps", [3, 10])
def test_every_latent_has_exactly_the_flows_share_of_noise_however_few_the_steps(steps: int, eta: float):
    """With the velocity of one picture x_0 known, x_s is (1 - s) x_0 plus noise of deviation s, not about s."""
    ours, n = transition(steps, eta), 200_000
    x_0, x = 1.5, drawn(0, n, 1)
    for j in range(steps - 1):
        t = float(ours.timesteps[j]) / 1000
        v = (x - x_0) / t  # of x = (1 - t) x_0 + t ε
        x, _ = ours.step(v, j, x, noise=drawn(1 + j, n, 1))
        s = float(ours.timesteps[j + 1]) / 1000
        assert float(x.mean()) == pytest.approx((1 - s) * x_0, abs=0.01)
        assert float(x.std()) == pytest.approx(s, rel=0.01)


def test_the_last_step_is_deterministic_and_all_others_can_be_trained():
    assert transition(4, 0.7).stochastic.numpy().tolist() == [True, True, True, False]


def test_the_score_of_a_step_is_torchs_normal():
    ours = transition(5, 0.7)
    x, v, noise = (drawn(seed, 2, 3, 4, 4) for seed in range(3))
    x_prev, log_prob = ours.step(v, 1, x, noise=noise)
    normal = cast(Any, torch.distributions.Normal)(ours.mean(v, 1, x), ours.std[1])
    torch.testing.assert_close(log_prob, normal.log_prob(x_prev).flatten(1).mean(1))
    assert torch.equal(ours.step(v, 1, x, x_prev=x_prev)[1], log_prob)


def test_the_noise_of_flows_is_refused_for_ddim_and_its_own_is_kept():
    ddim = DDIMTransition.from_config(cast(Any, DDIMScheduler)().config, 5, 1.0)
    assert ddim.with_noise("sde") is ddim
    with pytest.raises(ValueError, match=r"^sampler\.noise: cps is a noise of flow matching, and this policy .* DDIM"):
        ddim.with_noise("cps")
    flow = FlowTransition.from_config(Scheduler().config, 5, 0.7)
    assert flow.with_noise("sde") is flow
    assert isinstance(flow.with_noise("cps"), CPSTransition)
