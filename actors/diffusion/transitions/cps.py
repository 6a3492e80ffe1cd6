"""The denoising step of a flow with the noise of coefficients-preserving sampling."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from actors.diffusion.transitions.transition import Transition


class CPSTransition(Transition):
    """Coefficients-preserving sampling (FlowCPS, arXiv 2509.05952) for networks that predict the velocity v = ε - x_0
    of a rectified flow x_t = (1 - t) x_0 + t ε. One step goes from time t down to s:

        x_s = (1 - s) x̂_0 + √(s² - σ²) x̂_1 + σ ε,    σ = s sin(η π/2),    x̂_0 = x_t - t v,    x̂_1 = x_t + (1 - t) v

    The noise in x_s has the share s that the flow has there, however large the steps are, as it has in DDIM: a part of
    the network's noise x̂_1 is replaced by fresh noise. Flow-GRPO's SDE adds its own on top, and is right in the limit
    of small steps only. As η goes to 0, the step becomes an Euler step; the last one, to s = 0, always is.

    The log-prob is that of this Gaussian. The authors' program leaves out its scale, 1 / (2 σ²).
    """

    scheduler = "FlowMatchEulerDiscreteScheduler"
    in_words = "coefficients-preserving sampling"

    def __init__(
        self,
        times: Float[Tensor, " times"],
        eta: float,
        per_time: int = 1000,
        device: torch.device | str = "cpu",
    ) -> None:
        """`times` of the T + 1 states fall from at most 1 to 0; the network takes `per_time` times the time."""
        t, s = times.to("cpu", torch.float64)[:-1], times.to("cpu", torch.float64)[1:]
        kept = s * math.cos(eta * math.pi / 2)
        super().__init__(
            (times[:-1] * per_time).to(torch.float32),
            1 - s + kept,
            kept * (1 - t) - (1 - s) * t,
            s * math.sin(eta * math.pi / 2),
            device,
        )
