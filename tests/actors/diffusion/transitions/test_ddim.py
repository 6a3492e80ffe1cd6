"""The transition equals diffusers' own DDIM step, and its log-prob is torch's Normal."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_pndm import PNDMScheduler
from torch.distributions import Normal

from actors.diffusion.transitions.ddim import DDIMTransition

DDIM: Any = DDIMScheduler
PNDM: Any = PNDMScheduler
SHAPE = (3, 4, 8, 8)


def scheduler(prediction_type: str = "epsilon", **kwargs: Any) -> Any:
    settings: dict[str, Any] = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "steps_offset": 1,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "prediction_type": prediction_type,
    }
    return DDIM(**(settings | kwargs))


def normal(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("eta", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("steps", [1, 8, 50])
def test_every_step_has_the_mean_and_variance_of_diffusers(prediction_type: str, eta: float, steps: int) -> None:
    theirs = scheduler(prediction_type)
    theirs.set_timesteps(steps)
    ours = DDIMTransition.from_config(theirs.config, steps, eta)
    assert ours.timesteps.numpy().tolist() == theirs.timesteps.tolist()
    output, x, noise = normal(0), normal(1), normal(2)
    for j, t in enumerate(theirs.timesteps):
        zero = torch.zeros_like(noise)
        mean = theirs.step(output, int(t), x, eta=eta, variance_noise=zero).prev_sample
        variance = theirs._get_variance(t, t - 1000 // steps)
        torch.testing.assert_close(ours.mean(output, j, x), mean, rtol=2e-5, atol=2e-5)
        torch.testing.assert_close(ours.std[j] ** 2, eta**2 * variance, rtol=2e-3, atol=1e-8)
        expected = theirs.step(output, int(t), x, eta=eta, variance_noise=noise).prev_sample
        torch.testing.assert_close(ours.step(output, j, x, noise=noise)[0], expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("steps", [7, 10, 50, 999])
def test_every_timestep_spacing_and_end_of_the_schedule_equals_diffusers(spacing: str, last: bool, steps: int) -> None:
    """Diffusers' step ends `1000 // steps` earlier, which is the next timestep only where steps are equally long. Told
    the length of each step, but for the last, it ends where the next begins."""
    theirs = scheduler("v_prediction", timestep_spacing=spacing, set_alpha_to_one=last, steps_offset=0)
    theirs.set_timesteps(steps)
    ours = DDIMTransition.from_config(theirs.config, steps, 1.0)
    output, x, noise = normal(0), normal(1), normal(2)
    times = theirs.timesteps.tolist()
    assert ours.timesteps.numpy().tolist() == times
    for j, t in enumerate(times):
        length = t - times[j + 1] if j + 1 < steps else 1000 // steps
        theirs.num_inference_steps = Fraction(2 * 1000, 2 * length + 1)
        expected = theirs.step(output, int(t), x, eta=1.0, variance_noise=noise).prev_sample
        torch.testing.assert_close(ours.step(output, j, x, noise=noise)[0], expected, rtol=2e-5, atol=2e-5)


def test_a_pipeline_with_another_sampler_gives_the_same_transition() -> None:
    ddim = scheduler()
    pndm = PNDM.from_config(ddim.config)
    ours, same = DDIMTransition.from_config(ddim.config, 7, 1.0), DDIMTransition.from_config(pndm.config, 7, 1.0)
    assert same.timesteps.numpy().tolist() == ours.timesteps.numpy().tolist()
    assert torch.equal(same.mean(normal(0), 6, normal(1)), ours.mean(normal(0), 6, normal(1)))


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("eta", [0.2, 1.0])
def test_the_log_prob_is_torchs_normal_averaged_over_latent_dimensions(prediction_type: str, eta: float) -> None:
    transition = DDIMTransition.from_config(scheduler(prediction_type).config, 8, eta)
    output, x, noise = normal(0), normal(1), normal(2)
    for j in range(len(transition)):
        x_prev, log_prob = transition.step(output, j, x, noise=noise)
        expected = Normal(transition.mean(output, j, x), transition.std[j]).log_prob(x_prev).mean(dim=(1, 2, 3))
        torch.testing.assert_close(log_prob, expected)


def test_scoring_what_was_sampled_gives_exactly_the_same_log_prob() -> None:
    transition = DDIMTransition.from_config(scheduler().config, 8, 1.0)
    output, x, noise = normal(0), normal(1), normal(2)
    for j in range(len(transition)):
        x_prev, sampled = transition.step(output, j, x, noise=noise)
        again, scored = transition.step(output, j, x, x_prev=x_prev)
        assert torch.equal(again, x_prev)
        assert torch.equal(scored, sampled)


def test_each_sample_may_stand_at_its_own_step() -> None:
    transition = DDIMTransition.from_config(scheduler().config, 8, 1.0)
    output, x, noise = normal(0), normal(1), normal(2)
    indices = [7, 0, 3]
    x_prev, log_prob = transition.step(output, torch.tensor(indices), x, noise=noise)
    for i, j in enumerate(indices):
        alone = transition.step(output[i : i + 1], j, x[i : i + 1], noise=noise[i : i + 1])
        assert torch.equal(x_prev[i : i + 1], alone[0])
        assert torch.equal(log_prob[i : i + 1], alone[1])


def test_half_precision_output_is_scored_in_float32() -> None:
    transition = DDIMTransition.from_config(scheduler().config, 8, 1.0)
    output, x, noise = normal(0).bfloat16(), normal(1), normal(2)
    x_prev, log_prob = transition.step(output, 0, x, noise=noise)
    assert x_prev.dtype == log_prob.dtype == torch.float32
    assert torch.equal(log_prob, transition.step(output.float(), 0, x, noise=noise)[1])


def test_the_gradient_flows_through_the_mean_and_not_through_the_sample() -> None:
    transition = DDIMTransition.from_config(scheduler().config, 8, 1.0)
    output, x, noise = normal(0).requires_grad_(), normal(1), normal(2)
    x_prev, log_prob = transition.step(output, 4, x, noise=noise)
    assert not x_prev.requires_grad
    (gradient,) = torch.autograd.grad(log_prob.sum(), output)
    # d/df of -(x' - a x - b f)²/2σ² with x' - mean = σ·noise is b·noise/σ, and the mean divides by the dimensions.
    b = transition.mean(torch.ones(1, 1), 4, torch.zeros(1, 1))
    torch.testing.assert_close(gradient, b * noise / transition.std[4] / noise[0].numel(), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("end", [{"set_alpha_to_one": True}, {"steps_offset": 0}])
def test_a_last_step_without_noise_is_deterministic_with_no_log_prob_and_no_gradient(end: dict[str, Any]) -> None:
    transition = DDIMTransition.from_config(scheduler(**end).config, 8, 1.0)
    assert transition.stochastic.numpy().tolist() == [True] * 7 + [False]
    output, x, noise = normal(0).requires_grad_(), normal(1), normal(2)
    x_prev, log_prob = transition.step(output, 7, x, noise=noise)
    assert torch.equal(x_prev, transition.mean(output, 7, x))
    assert torch.equal(log_prob, torch.zeros(3))
    (gradient,) = torch.autograd.grad(log_prob.sum(), output)
    assert torch.equal(gradient, torch.zeros(SHAPE))


def test_stable_diffusions_own_schedule_has_noise_in_its_last_step() -> None:
    transition = DDIMTransition.from_config(scheduler().config, 8, 1.0)
    assert transition.stochastic.all()
    assert float(transition.std[-1]) == pytest.approx(0.0206, abs=1e-4)


def test_a_mixed_batch_with_a_deterministic_step_has_finite_gradients() -> None:
    transition = DDIMTransition.from_config(scheduler(set_alpha_to_one=True).config, 8, 1.0)
    output = normal(0).requires_grad_()
    _, log_prob = transition.step(output, torch.tensor([7, 2, 7]), normal(1), x_prev=normal(2))
    (gradient,) = torch.autograd.grad(log_prob.sum(), output)
    assert torch.isfinite(gradient).all()
    assert gradient[1].abs().sum() > 0
    assert gradient[0].abs().sum() == gradient[2].abs().sum() == 0


def test_noise_and_x_prev_exclude_each_other() -> None:
    transition = DDIMTransition.from_config(scheduler().config, 8, 1.0)
    with pytest.raises(ValueError, match="either noise"):
        transition.step(normal(0), 0, normal(1))
    with pytest.raises(ValueError, match="either noise"):
        transition.step(normal(0), 0, normal(1), noise=normal(2), x_prev=normal(2))


def test_epsilon_prediction_from_zero_signal_is_refused() -> None:
    theirs = scheduler(rescale_betas_zero_snr=True, timestep_spacing="trailing")
    with pytest.raises(ValueError, match="zero signal"):
        DDIMTransition.from_config(theirs.config, 8, 1.0)
    v = scheduler("v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing")
    transition = DDIMTransition.from_config(v.config, 8, 1.0)
    assert torch.isfinite(transition.step(normal(0), 0, normal(1), noise=normal(2))[0]).all()


def test_more_steps_than_the_policy_was_trained_with_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sampler\.steps: 1001"):
        DDIMTransition.from_config(scheduler().config, 1001, 1.0)


@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
@pytest.mark.parametrize("eta", [1e-6, 0.3, 1.0])
def test_from_zero_signal_every_number_of_steps_is_finite_with_the_first_steps_log_prob(
    spacing: str, eta: float
) -> None:
    theirs = scheduler("v_prediction", rescale_betas_zero_snr=True, timestep_spacing=spacing)
    assert float(theirs.alphas_cumprod[-1]) == 0
    output, x, noise = normal(0).requires_grad_(), normal(1), normal(2)
    for steps in (*range(1, 61), 100, 250, 333, 500, 1000):
        if spacing == "linspace" and steps == 1:  # diffusers takes that step at t = 0
            continue
        ours = DDIMTransition.from_config(theirs.config, steps, eta)
        assert int(ours.timesteps[0]) == 999
        assert bool(ours.std.isfinite().all())
        for j in {0, steps // 2, steps - 1}:
            x_prev, log_prob = ours.step(output, j, x, noise=noise)
            (gradient,) = torch.autograd.grad(log_prob.sum(), output)
            assert bool(x_prev.isfinite().all())
            assert bool(log_prob.isfinite().all())
            assert bool(gradient.isfinite().all())


# At η = 1 nothing is left of the direction, and diffusers takes the root of a difference that is zero but for rounding.
@pytest.mark.parametrize("eta", [0.3, 0.9])
@pytest.mark.parametrize("steps", [1, 4, 50])
def test_from_zero_signal_every_step_is_diffusers_own(steps: int, eta: float) -> None:
    theirs = scheduler("v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing")
    theirs.set_timesteps(steps)
    ours = DDIMTransition.from_config(theirs.config, steps, eta)
    output, x, noise = normal(0), normal(1), normal(2)
    for j, t in enumerate(theirs.timesteps):
        expected = theirs.step(output, int(t), x, eta=eta, variance_noise=noise).prev_sample
        torch.testing.assert_close(ours.step(output, j, x, noise=noise)[0], expected, rtol=2e-5, atol=2e-5)
    density = Normal(ours.mean(output, 0, x), ours.std[0])
    x_prev, log_prob = ours.step(output, 0, x, noise=noise)
    torch.testing.assert_close(log_prob, density.log_prob(x_prev).flatten(1).mean(1))
