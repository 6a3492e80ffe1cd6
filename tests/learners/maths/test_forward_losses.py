# pyright: strict, reportUnknownMemberType=false
"""The losses of the forward process on numbers made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from learners.maths.advantages import exponential_weights, optimality
from learners.maths.forward_losses import adaptive_error, diffusion_dpo, implicit_policies, squared_error
from learners.maths.forward_statistics import PairMeans, example_statistics


def rows(*values: float) -> torch.Tensor:
    """Samples of two equal latent dimensions."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 2, 1, 1).clone()


def test_the_squared_error_is_a_mean_over_latent_dimensions_of_each_sample():
    assert squared_error(torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.zeros(2, 2)).tolist() == [5, 0]


def test_the_adaptive_error_is_relative_to_its_size_which_is_a_constant():
    clean = torch.tensor([[1.0, -3.0]], requires_grad=True)
    error = adaptive_error(clean, torch.zeros(1, 2))
    assert error.item() == 2.5  # the mean of 1 and 9, over that of 1 and 3
    error.sum().backward()
    assert clean.grad is not None
    assert clean.grad.tolist() == [[0.5, -1.5]]  # 2 x / (2 · 2): the size has no gradient
    assert adaptive_error(torch.zeros(1, 2), torch.zeros(1, 2)).item() == 0


def test_optimality_is_a_half_at_the_mean_and_is_cut():
    advantages = np.array([[-9, -5, -2.5, 0, 1, 5, 7]], np.float32)
    assert optimality(advantages, 5.0)[0] == pytest.approx([0, 0, 0.25, 0.5, 0.6, 1, 1])


def test_implicit_policies_stand_on_both_sides_of_the_old_one():
    good, bad = implicit_policies(rows(3.0), rows(1.0), beta=0.5)
    assert (good[0, 0].item(), bad[0, 0].item()) == (2.0, 0.0)
    good, bad = implicit_policies(rows(3.0), rows(1.0), beta=1.0)
    assert (good[0, 0].item(), bad[0, 0].item()) == (3.0, -1.0)


@pytest.mark.parametrize(("r", "beta"), [(0.0, 1.0), (0.2, 0.5), (0.9, 0.1), (0.5, 2.0)])
def test_the_optimum_of_nft_is_that_of_its_paper_and_its_gradient_at_the_old_policy_ignores_beta(r: float, beta: float):
    old, target = rows(1.0), rows(4.0)

    def gradient(at: float) -> float:
        output = rows(at).requires_grad_()
        good, bad = implicit_policies(output, old, beta)
        loss = (r * squared_error(good, target) + (1 - r) * squared_error(bad, target)) / beta
        loss.sum().backward()
        assert output.grad is not None
        return float(output.grad[0, 0])

    # v_old + (2r - 1)/β (v - v_old)
    assert gradient(1 + (2 * r - 1) / beta * 3) == pytest.approx(0, abs=1e-5)
    # (2r - 1) times that of ‖v_θ - v‖², a mean over two dimensions
    assert gradient(1.0) == pytest.approx((2 * r - 1) * (1 - 4), abs=1e-5)


def test_diffusion_dpo_is_the_loss_of_its_paper():
    better, worse = torch.tensor([0.5, 0.2], requires_grad=True), torch.tensor([0.4, 0.2])
    made = diffusion_dpo(better, worse, torch.tensor([0.7, 0.2]), torch.tensor([0.3, 0.2]), beta=10.0)
    margin = -0.5 * 10 * ((0.5 - 0.7) - (0.4 - 0.3))
    assert made.margin.tolist() == pytest.approx([margin, 0])
    assert made.loss.tolist() == pytest.approx([-math.log(1 / (1 + math.exp(-margin))), math.log(2)])
    made.loss.sum().backward()
    assert better.grad is not None
    assert better.grad.tolist() == pytest.approx([5 / (1 + math.exp(margin)), 2.5])


def test_no_gradient_goes_into_the_reference():
    reference = torch.zeros(1, requires_grad=True)
    loss = diffusion_dpo(torch.ones(1, requires_grad=True), torch.ones(1), reference, reference, 1.0).loss
    loss.sum().backward()
    assert reference.grad is None


def test_exponential_weights_have_mean_one_and_do_not_overflow():
    weights = exponential_weights(np.array([0.0, math.log(2), math.log(3)], np.float32), 1.0)
    assert weights == pytest.approx([0.5, 1.0, 1.5])
    assert exponential_weights(np.array([-5, 5, 5], np.float32), 1e-3) == pytest.approx([0, 1.5, 1.5])


def test_statistics_are_weighted_means_over_all_workers():
    ours, theirs = PairMeans(), PairMeans()
    ours.add({"loss": torch.tensor([1.0, 9.0])}, torch.tensor([1.0, 0.0]))
    theirs.add({"loss": torch.tensor([3.0])}, torch.tensor([2.0]))
    theirs.add({"loss": torch.tensor([4.0])}, torch.tensor([1.0]))
    assert PairMeans.over([ours.sums(), theirs.sums()]) == {"loss": pytest.approx((1 + 6 + 4) / 4)}
    lags = np.array([3, 1, 0], np.int64)
    assert example_statistics(np.array([0, 1, 1], np.float32), lags) == {
        "trained_share": pytest.approx(2 / 3),
        "lag/mean": 0.5,
        "lag/max": 1.0,
    }
    assert example_statistics(np.zeros(3, np.float32), lags) == {"trained_share": 0.0}
