"""The denoising step of a diffusion: DDIM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor

from actors.diffusion.transitions.noise_schedule import DIFFUSION, check_timesteps, rebuilt
from actors.diffusion.transitions.transition import Transition

PredictionType = Literal["epsilon", "v_prediction", "sample"]


class DDIMTransition(Transition):
    """DDIM (arXiv 2010.02502, Eq. 12 and 16), for networks that predict ε, v or the sample.

    The numbers equal diffusers' `DDIMScheduler.step` without clipping or thresholding, which latents never have. One
    thing differs: where steps are not equally long ("linspace" spacing, or a number of steps that does not divide that
    of the trained ones), diffusers ends a step at another noise level than that of the next timestep.
    """

    scheduler = "DDIMScheduler"
    in_words = "DDIM with noise sampler.eta"

    def __init__(
        self,
        alphas_cumprod: Float[Tensor, " trained"],
        timesteps: Num[Tensor, " T"],
        eta: float,
        prediction_type: PredictionType,
        final_alpha: float,
        device: torch.device | str = "cpu",
    ) -> None:
        """`alphas_cumprod`: ᾱ of each trained step; `final_alpha`: ᾱ after the last; raises ValueError if unusable."""
        t = timesteps.to("cpu", torch.int64)
        alphas = alphas_cumprod.to("cpu", torch.float64)
        # Each step ends where the next begins, whatever the spacing; the last where diffusers' own would.
        earlier = torch.cat([t[1:], t[-1:] - len(alphas) // len(t)])
        a_t = alphas[t]
        a_s = torch.where(earlier >= 0, alphas[earlier.clamp(min=0)], torch.tensor(final_alpha, dtype=torch.float64))
        if prediction_type == "epsilon" and bool((a_t == 0).any()):
            raise ValueError(
                "the schedule starts at zero signal (rescale_betas_zero_snr), where ε-prediction says nothing about "
                "the picture; use a model with prediction_type v_prediction"
            )
        sigma = eta * (((1 - a_s) / (1 - a_t)) * (1 - a_t / a_s)).clamp(min=0).sqrt()
        direction = (1 - a_s - sigma**2).clamp(min=0).sqrt()
        signal, noise = a_t.sqrt(), (1 - a_t).sqrt()
        if prediction_type == "epsilon":  # x0 = (x - noise·f) / signal,  ε = f
            a, b = a_s.sqrt() / signal, direction - a_s.sqrt() * noise / signal
        elif prediction_type == "v_prediction":  # x0 = signal·x - noise·f,  ε = noise·x + signal·f
            a, b = a_s.sqrt() * signal + direction * noise, direction * signal - a_s.sqrt() * noise
        elif prediction_type == "sample":  # x0 = f,  ε = (x - signal·f) / noise
            a, b = direction / noise, a_s.sqrt() - direction * signal / noise
        else:
            raise ValueError(f"prediction_type {prediction_type!r} is not epsilon, v_prediction or sample")
        super().__init__(t, a, b, sigma, device)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], steps: int, eta: float, device: torch.device | str = "cpu"
    ) -> DDIMTransition:
        """The transition of `steps` steps that the config of a scheduler describes, whatever sampler it is for."""
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        ddim = rebuilt(DDIMScheduler, config, DIFFUSION, clip_sample=False, thresholding=False)
        trained = int(ddim.config.num_train_timesteps)
        if steps > trained:
            raise ValueError(f"sampler.steps: {steps} is more than the {trained} that the policy was trained with")
        ddim.set_timesteps(steps)
        check_timesteps(ddim.timesteps, steps, trained, ddim.config.timestep_spacing)
        return cls(
            ddim.alphas_cumprod,
            ddim.timesteps,
            eta,
            ddim.config.prediction_type,
            float(ddim.final_alpha_cumprod),
            device,
        )
