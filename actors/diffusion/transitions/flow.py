"""The denoising step of a flow: the stochastic sampler of Flow-GRPO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from actors.diffusion.transitions.cps import CPSTransition
from actors.diffusion.transitions.noise_schedule import FLOW, rebuilt
from actors.diffusion.transitions.transition import Transition


class FlowTransition(Transition):
    """Flow-GRPO's SDE (arXiv 2505.05470) for networks that predict the velocity v = ε - x_0 of a rectified
    flow x_t = (1 - t) x_0 + t ε. One step goes from time t down to s, Δ = t - s:

        x_s = x_t - [v + σ_t²/(2t) (x_t + (1 - t) v)] Δ + σ_t √Δ ε,    σ_t = η √(t / (1 - t))

    x_t + (1 - t) v is the noise ε as the network sees it, and -1/t of that the score: what the noise of a step adds to
    the variance, the drift takes away again, and every x_t is distributed as on the flow itself (in the limit of small
    steps). As η goes to 0, the step becomes the Euler step of `FlowMatchEulerDiscreteScheduler`.

    Two ends are treated on purpose. *First step*: σ_t is infinite at t = 1. As in the authors' program, 1 - t is then
    1 - s, its value at the step's other end, so that the noise of the first step is η. *Last step* (to t = 0): it is
    deterministic, an Euler step. Its noise would stay in the picture; and where diffusers' schedule ends, at t = 0.001,
    a step that changes nothing visible would have the largest gradient of all.
    """

    scheduler = "FlowMatchEulerDiscreteScheduler"
    in_words = "the stochastic sampler of Flow-GRPO"

    def __init__(
        self,
        times: Float[Tensor, " times"],
        eta: float,
        per_time: int = 1000,
        device: torch.device | str = "cpu",
    ) -> None:
        """`times` of the T + 1 states fall from at most 1 to 0; the network takes `per_time` times the time."""
        self._times, self._eta, self._per_time = times, eta, per_time
        t, s = times.to("cpu", torch.float64)[:-1], times.to("cpu", torch.float64)[1:]
        first = t > 1 - 1e-6  # a shifted schedule begins at 1 but for rounding, on either side
        variance = eta**2 * t / (1 - torch.where(first, s, t))
        variance = torch.where(s == 0, torch.zeros_like(t), variance)
        step = t - s
        drift = variance / (2 * t) * step
        super().__init__(
            (times[:-1] * per_time).to(torch.float32),
            1 - drift,
            -step - drift * (1 - t),
            (variance * step).sqrt(),
            device,
        )

    def with_noise(self, kind: str) -> Transition:
        if kind == "cps":
            return CPSTransition(self._times, self._eta, self._per_time, self.std.device)
        return super().with_noise(kind)

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        steps: int,
        eta: float,
        device: torch.device | str = "cpu",
        *,
        unshifted_times: Sequence[float] | None = None,
        image_tokens: int | None = None,
    ) -> FlowTransition:
        """The transition of `steps` steps that the config of a scheduler describes, whatever sampler it is for.

        `unshifted_times` `[T]`: the times before the shift, where a pipeline does not leave them to its scheduler.
        `image_tokens`: the number of tokens that the network makes of a picture, for a scheduler that shifts by it.
        """
        from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

        euler = rebuilt(FlowMatchEulerDiscreteScheduler, config, FLOW)
        if (euler.config.use_dynamic_shifting and image_tokens is None) or euler.config.invert_sigmas:
            raise ValueError(
                "policy.model: its scheduler has use_dynamic_shifting or invert_sigmas, whose times Salon does not "
                "know; set both to false, and a fixed shift, in scheduler/scheduler_config.json"
            )
        shift = None if image_tokens is None else dynamic_shift(euler.config, image_tokens)
        euler.set_timesteps(steps, sigmas=unshifted_times, mu=shift)
        return cls(euler.sigmas, eta, euler.config.num_train_timesteps, device)


def dynamic_shift(config: Mapping[str, Any], image_tokens: int) -> float:
    """μ of the shift t → e^μ / (e^μ + 1/t - 1): a line through two numbers of tokens, as in diffusers' pipelines."""
    low, high = config["base_image_seq_len"], config["max_image_seq_len"]
    slope = (config["max_shift"] - config["base_shift"]) / (high - low)
    return config["base_shift"] + slope * (image_tokens - low)
