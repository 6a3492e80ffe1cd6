"""The forward process against diffusers' own noising, for every kind of prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from plain_loop import SAMPLER, load_policy

from actors.diffusion.transitions.forward_process import ForwardProcess

LIBRARY: Any = diffusers
GENERATOR = torch.Generator().manual_seed(3)
X0, EPS = (torch.randn(5, 3, 4, 4, generator=GENERATOR) for _ in range(2))
LEVEL = torch.tensor([0, 1, 500, 998, 999])
STABLE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def process(scheduler: Any, tokens: int = 256) -> ForwardProcess:
    """The forward process that the config of a scheduler describes."""
    described = {**scheduler.config, "_class_name": type(scheduler).__name__}
    return ForwardProcess.from_config(described, image_tokens=tokens)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("scheduler", [LIBRARY.DDIMScheduler, LIBRARY.DDPMScheduler, LIBRARY.EulerDiscreteScheduler])
def test_a_diffusion_noises_and_predicts_as_diffusers_trains(prediction: str, scheduler: Any):
    theirs = LIBRARY.DDPMScheduler(**STABLE, prediction_type=prediction)
    ours = process(scheduler(**STABLE, prediction_type=prediction))
    assert len(ours) == 1000
    assert torch.equal(ours.timesteps, torch.arange(1000))
    x = ours.noised(X0, EPS, LEVEL)
    torch.testing.assert_close(x, theirs.add_noise(X0, EPS, LEVEL), atol=1e-6, rtol=1e-6)
    velocity = theirs.get_velocity(X0, EPS, LEVEL)
    target = {"epsilon": EPS, "v_prediction": velocity, "sample": X0}[prediction]
    torch.testing.assert_close(ours.target(X0, EPS, LEVEL), target, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_flow_is_noised_at_the_times_of_its_scheduler_with_its_shift(shift: float):
    scheduler = LIBRARY.FlowMatchEulerDiscreteScheduler(shift=shift)
    ours = process(scheduler)
    assert torch.equal(ours.timesteps, scheduler.timesteps.flip(0))
    t = (scheduler.timesteps.flip(0)[LEVEL] / 1000).view(-1, 1, 1, 1)
    torch.testing.assert_close(ours.noised(X0, EPS, LEVEL), (1 - t) * X0 + t * EPS, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ours.target(X0, EPS, LEVEL), EPS - X0)


@pytest.mark.parametrize(("tokens", "shift"), [(256, 0.5), (4096, 1.15)])
def test_a_dynamic_shift_is_that_of_the_resolution(tokens: int, shift: float):
    scheduler = LIBRARY.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    ours = process(scheduler, tokens)
    scheduler.set_timesteps(sigmas=torch.arange(1000, 0, -1) / 1000, mu=shift)
    torch.testing.assert_close(ours.noise.flip(0), scheduler.sigmas[:-1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample", "flow"])
def test_a_perfect_prediction_stands_for_the_clean_latents_at_every_level(prediction: str, zero_snr: bool):
    if prediction == "flow":
        ours = process(LIBRARY.FlowMatchEulerDiscreteScheduler(shift=3.0))
    elif prediction == "epsilon" and zero_snr:
        with pytest.raises(ValueError, match="starts at zero signal"):
            process(LIBRARY.DDIMScheduler(rescale_betas_zero_snr=True))
        return
    else:
        scheduler = LIBRARY.DDIMScheduler(**STABLE, rescale_betas_zero_snr=zero_snr, prediction_type=prediction)
        ours = process(scheduler)
        assert (float(ours.signal[-1]) == 0) == zero_snr
    x, f = ours.noised(X0, EPS, LEVEL), ours.target(X0, EPS, LEVEL)
    if zero_snr and prediction == "v_prediction":
        assert torch.equal(f[-1], -X0[-1])  # at zero signal v is the picture itself, turned round
    torch.testing.assert_close(ours.clean(f, x, LEVEL), X0, atol=1e-4, rtol=1e-4)


def test_the_steps_of_a_sampler_are_levels_of_training(tiny_policy_dir: Path, tiny_flow_dir: Path):
    for folder in (tiny_policy_dir, tiny_flow_dir):
        policy = load_policy(folder)
        its, steps = policy.forward_process(), policy.transition(SAMPLER).timesteps
        levels = its.nearest(steps)
        assert (its.timesteps[levels] - steps).abs().max() <= 0.5
        assert levels.diff().max() < 0


def test_a_scheduler_of_another_family_is_refused():
    with pytest.raises(ValueError, match="its scheduler is LCMScheduler"):
        ForwardProcess.from_config({"_class_name": "LCMScheduler"}, image_tokens=256)
