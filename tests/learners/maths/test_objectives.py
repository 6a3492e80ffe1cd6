"""Properties of the clipped objective."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from learners.maths.objectives import gaussian_kl, ppo_clipped


def vectors(low: float, high: float) -> st.SearchStrategy[Tensor]:
    # Rounded, because products of subnormal numbers lose digits that these properties compare.
    elements = st.floats(low, high, allow_subnormal=False)
    return arrays(np.float64, 6, elements=elements).map(lambda a: torch.tensor(a.round(6).astype(np.float32)))


def gradient(log_prob: Tensor, prox: Tensor, behaviour: Tensor, advantage: Tensor) -> Tensor:
    theta = log_prob.clone().requires_grad_()
    (grad,) = torch.autograd.grad(ppo_clipped(theta, prox, behaviour, advantage, 1e-4, 2.0).loss.sum(), theta)
    return grad


def backward(loss: Any) -> None:
    loss.backward()


@given(vectors(-3, 3), vectors(-5, 5))
def test_on_policy_the_gradient_is_the_plain_policy_gradient(log_prob: Tensor, advantage: Tensor) -> None:
    # L = -Σ A log p has dL/dlog p = -A, exactly.
    assert torch.equal(gradient(log_prob, log_prob, log_prob, advantage), -advantage)


@given(vectors(-3, 3), vectors(-3, 3), vectors(-5, 5))
def test_at_the_first_step_clipping_is_inactive_however_stale_the_samples(
    prox: Tensor, behaviour: Tensor, advantage: Tensor
) -> None:
    clipped = ppo_clipped(prox, prox, behaviour, advantage, 1e-4, 2.0)
    assert clipped.outside.sum() == 0
    assert torch.equal(clipped.ratio, torch.ones(6))
    weight = torch.exp(prox - behaviour).clamp(max=2.0)
    assert torch.allclose(gradient(prox, prox, behaviour, advantage), -weight * advantage)


@given(vectors(-3, 3), vectors(-3, 3), st.floats(1, 5))
def test_the_staleness_weight_is_capped_and_detached(prox: Tensor, behaviour: Tensor, cap: float) -> None:
    prox.requires_grad_()
    behaviour.requires_grad_()
    clipped = ppo_clipped(prox * 1.0, prox, behaviour, torch.ones(6), 1e-4, cap)
    assert not clipped.weight.requires_grad
    expected = np.minimum(cap, np.exp((prox - behaviour).detach().numpy()))
    assert clipped.weight.numpy() == pytest.approx(expected, rel=1e-5)
    backward(clipped.loss.sum())
    assert behaviour.grad is None
    # The only path to `prox` is as the policy in training; as a centre it is a constant.
    assert prox.grad is not None
    assert torch.allclose(prox.grad, -clipped.weight)


@given(vectors(-0.01, 0.01), vectors(-0.01, 0.01), vectors(-5, 5))
def test_behaviour_clip_is_classic_ppo_around_the_policy_that_sampled(
    log_prob: Tensor, behaviour: Tensor, advantage: Tensor
) -> None:
    clipped = ppo_clipped(log_prob, behaviour, behaviour, advantage, 1e-3, 2.0)
    ratio = torch.exp(log_prob - behaviour)
    classic = torch.maximum(-advantage * ratio, -advantage * ratio.clamp(1 - 1e-3, 1 + 1e-3))
    assert torch.equal(clipped.weight, torch.ones(6))
    assert torch.allclose(clipped.loss, classic)
    assert torch.equal(clipped.outside, ((ratio - 1).abs() > 1e-3).float())


def test_stale_samples_lose_their_gradient_under_behaviour_clip_but_not_under_proximal() -> None:
    behaviour, advantage = torch.zeros(4), torch.tensor([1.0, 1.0, -1.0, -1.0])
    prox = torch.tensor([0.01, -0.01, 0.01, -0.01])  # a lag of a few updates, 100 clip ranges away
    assert gradient(prox, behaviour, behaviour, advantage).numpy() == pytest.approx([0, -0.990, 1.010, 0], abs=1e-3)
    assert (gradient(prox, prox, behaviour, advantage) != 0).all()


@given(vectors(-1e-2, 1e-2), vectors(-5, 5))
def test_no_gradient_pushes_further_past_the_clip(moved: Tensor, advantage: Tensor) -> None:
    prox = torch.zeros(6)
    grad = gradient(moved, prox, prox, advantage)
    past = ((moved > 2e-4) & (advantage > 0)) | ((moved < -2e-4) & (advantage < 0))
    assert (grad[past] == 0).all()


def test_hand_computed_losses() -> None:
    # r = e^0.1 = 1.10517, w = min(2, e^0.5) = 1.64872, ε = 0.05
    args = torch.tensor([0.1]), torch.tensor([0.0]), torch.tensor([-0.5])
    assert float(ppo_clipped(*args, torch.tensor([2.0]), 0.05, 2.0).loss) == pytest.approx(-1.64872 * 1.05 * 2, 1e-5)
    assert float(ppo_clipped(*args, torch.tensor([-2.0]), 0.05, 2.0).loss) == pytest.approx(1.64872 * 1.10517 * 2, 1e-5)


def test_kl_is_that_of_torch_distributions_averaged_over_the_latent() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, reference = torch.randn(2, 3, 4, 8, 8, generator=generator)
    std = torch.tensor([0.3, 0.5, 2.0]).view(3, 1, 1, 1)
    exact = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, std), torch.distributions.Normal(reference, std)
    )
    assert torch.allclose(gaussian_kl(mean, reference, std), exact.flatten(1).mean(1), rtol=1e-5)


def test_kl_pulls_the_policy_towards_a_fixed_reference() -> None:
    mean = torch.ones(1, 2, 2, 2, requires_grad=True)
    reference = torch.zeros(1, 2, 2, 2, requires_grad=True)
    backward(gaussian_kl(mean, reference, torch.tensor(1.0)).sum())
    assert mean.grad is not None
    assert (mean.grad > 0).all()
    assert reference.grad is None
