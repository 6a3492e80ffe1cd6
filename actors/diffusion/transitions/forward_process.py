"""The forward process: how clean latents are noised, and what the network is trained to say of the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from actors.diffusion.transitions.flow import dynamic_shift
from actors.diffusion.transitions.noise_schedule import DIFFUSION, FLOW, rebuilt

Prediction = Literal["epsilon", "v_prediction", "sample", "flow"]


class ForwardProcess:
    """q(x_t | x_0) = N(a_i x_0, s_i² I) at the N noise levels i that a network was trained at, from the cleanest on.

    With x_t = a x_0 + s ε, what the network predicts (its *target*) is one of

        ε,    x_0 ("sample"),    v = a ε - s x_0 (arXiv 2202.00512),    v = ε - x_0 (flow, where a = 1 - t and s = t).

    Target and estimate of x_0 are linear in what they are made of, so a noise level is six numbers, computed once in
    float64. None is a quotient by zero, at zero terminal signal (a = 0, arXiv 2305.08891) neither.

    timesteps  `[N]` as the network takes them, ascending: int64 of a diffusion, float32 of a flow
    signal     `[N]` float32, a_i
    noise      `[N]` float32, s_i
    """

    def __init__(
        self,
        timesteps: Num[Tensor, " N"],
        signal: Float[Tensor, " N"],
        noise: Float[Tensor, " N"],
        prediction: Prediction,
        device: torch.device | str = "cpu",
    ) -> None:
        """`signal` and `noise` are float64; raises ValueError if the prediction says nothing at one of the levels."""
        one, zero = torch.ones_like(signal), torch.zeros_like(signal)
        if prediction == "epsilon":
            if bool((signal == 0).any()):
                raise ValueError(
                    "the schedule starts at zero signal (rescale_betas_zero_snr), where ε-prediction says nothing "
                    "about the picture; use a model with prediction_type v_prediction"
                )
            target, clean = (one, zero), (1 / signal, -noise / signal)
        elif prediction == "v_prediction":
            target, clean = (signal, -noise), (signal, -noise)
        elif prediction == "sample":
            target, clean = (zero, one), (zero, one)
        else:
            target, clean = (one, -one), (one, -noise)
        self.timesteps = timesteps.to(device)
        self.signal, self.noise = signal.to(device, torch.float32), noise.to(device, torch.float32)
        self._of_noise, self._of_clean = (part.to(device, torch.float32) for part in target)
        self._of_x, self._of_output = (part.to(device, torch.float32) for part in clean)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], device: torch.device | str = "cpu", *, image_tokens: int
    ) -> ForwardProcess:
        """The process that the config of a scheduler describes, whatever sampler it is for.

        `image_tokens`: the number of tokens that the network makes of a picture, for a scheduler that shifts by it.
        Raises ValueError for a scheduler whose noise levels are not known.
        """
        if config.get("_class_name") in FLOW:
            return cls._flow(config, image_tokens, device)
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        ddim = rebuilt(DDIMScheduler, config, DIFFUSION)
        alphas = ddim.alphas_cumprod.to("cpu", torch.float64)
        levels, prediction = torch.arange(len(alphas)), ddim.config.prediction_type
        return cls(levels, alphas.sqrt(), (1 - alphas).sqrt(), prediction, device)

    @classmethod
    def _flow(cls, config: Mapping[str, Any], image_tokens: int, device: torch.device | str) -> ForwardProcess:
        from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

        # A fixed shift is in the scheduler's times from the start; a dynamic one waits for the resolution.
        euler = rebuilt(FlowMatchEulerDiscreteScheduler, config, FLOW)
        times = euler.sigmas.to("cpu", torch.float64).flip(0)
        if euler.config.use_dynamic_shifting:
            times = euler.time_shift(dynamic_shift(euler.config, image_tokens), 1.0, times)
        timesteps = (times * euler.config.num_train_timesteps).to(torch.float32)
        return cls(timesteps, 1 - times, times, "flow", device)

    def __len__(self) -> int:
        return len(self.timesteps)

    def nearest(self, timesteps: Num[Tensor, " T"]) -> Int[Tensor, " T"]:
        """The noise levels that lie nearest to `timesteps`, such as those of a sampler."""
        return (timesteps[:, None].double() - self.timesteps[None].double()).abs().argmin(1)

    def noised(
        self, x_0: Float[Tensor, " n *latent"], eps: Float[Tensor, " n *latent"], level: Int[Tensor, " n"]
    ) -> Float[Tensor, " n *latent"]:
        """x_t of each x_0 at its own level, float32."""
        return _wide(self.signal[level], x_0) * x_0 + _wide(self.noise[level], x_0) * eps

    def target(
        self, x_0: Float[Tensor, " n *latent"], eps: Float[Tensor, " n *latent"], level: Int[Tensor, " n"]
    ) -> Float[Tensor, " n *latent"]:
        """What the network should say of `noised(x_0, eps, level)`, float32."""
        return _wide(self._of_noise[level], x_0) * eps + _wide(self._of_clean[level], x_0) * x_0

    def clean(
        self, output: Float[Tensor, " n *latent"], x_t: Float[Tensor, " n *latent"], level: Int[Tensor, " n"]
    ) -> Float[Tensor, " n *latent"]:
        """The x_0 that the network's output stands for, float32, differentiable in `output`."""
        return _wide(self._of_x[level], x_t) * x_t + _wide(self._of_output[level], x_t) * output


def _wide(numbers: Tensor, like: Tensor) -> Tensor:
    """`[n]`, shaped to broadcast over `like` `[n, ...]`."""
    return numbers.reshape(-1, *(1,) * (like.ndim - 1))
