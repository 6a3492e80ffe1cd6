"""The noise schedules of diffusers' schedulers: which of them Salon can draw with, and which it must not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

DIFFUSION = (
    *("DDIMScheduler", "DDIMParallelScheduler", "DDPMScheduler", "DDPMParallelScheduler", "PNDMScheduler"),
    *("LMSDiscreteScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler"),
    *("DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "DPMSolverSDEScheduler"),
    *("DEISMultistepScheduler", "UniPCMultistepScheduler"),
    *("KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"),
)
"""Samplers of a network that was trained on the noise levels ᾱ_t of a diffusion, as DDIM is. Those of distilled
networks (LCM, TCD) and of other noise levels (EDM, flows) are not among them."""

FLOW = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
"""Samplers of a network that was trained on a rectified flow."""

SETTINGS: Mapping[str, tuple[Any, ...]] = {
    "prediction_type": ("epsilon", "v_prediction", "sample"),
    "use_flow_sigmas": (False,),
    "timestep_type": ("discrete",),
    "timestep_spacing": ("leading", "trailing", "linspace"),
    "variance_type": (None, "fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"),
}
"""Settings by which a scheduler in DIFFUSION leaves that family, with the values that do not."""


def rebuilt(scheduler: Any, config: Mapping[str, Any], known: tuple[str, ...], **settings: Any) -> Any:
    """The class `scheduler` with the noise schedule of `config`, which may be another scheduler's.

    Raises ValueError if that is none of `known`, or if its settings say that it is of another kind after all.
    """
    name = config.get("_class_name", scheduler.__name__)
    if name not in known:
        raise ValueError(
            f"policy.model: its scheduler is {name}, whose noise levels or steps are not those that Salon draws with "
            f"for this kind of pipeline; it takes the noise schedule of {', '.join(known)}"
        )
    if known is DIFFUSION:
        for key, values in SETTINGS.items():
            if key in config and config[key] not in values:
                raise ValueError(
                    f"policy.model: its scheduler has {key} {config[key]!r}; Salon draws with DDIM, which knows "
                    f"{', '.join(map(repr, values))}"
                )
    try:
        return scheduler.from_config(config, **settings)
    except (NotImplementedError, TypeError, ValueError, RuntimeError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"policy.model: its scheduler's settings cannot be used: {why}") from error


def check_timesteps(timesteps: Tensor, steps: int, trained: int, spacing: str) -> None:
    """Raises ValueError unless `timesteps` are `steps` falling ones of the `trained`."""
    fits = len(timesteps) == steps and int(timesteps[-1]) >= 0 and int(timesteps[0]) < trained
    if not fits or not bool((timesteps[:-1] > timesteps[1:]).all()):
        raise ValueError(
            f"sampler.steps: {steps} steps do not fit into the {trained} of the scheduler, which spaces them as "
            f"{spacing!r} (timestep_spacing, steps_offset); take fewer"
        )
