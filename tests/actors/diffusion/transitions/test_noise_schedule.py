"""The noise schedules of other schedulers: taken as they are, or refused by name; never taken for another."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from actors.config import PolicyConfig, SamplerConfig
from actors.diffusion.pipelines.registry import missing_parts, stored_scheduler, stored_transition
from actors.diffusion.policy import Policy
from actors.diffusion.transitions.ddim import DDIMTransition
from actors.diffusion.transitions.flow import FlowTransition
from actors.diffusion.transitions.noise_schedule import DIFFUSION, FLOW

LIBRARY: Any = diffusers
STABLE_DIFFUSION: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
OTHERS = ("LCMScheduler", "TCDScheduler", "EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "IPNDMScheduler")


def saved(name: str, **settings: Any) -> dict[str, Any]:
    """What is in scheduler_config.json of diffusers' scheduler `name`."""
    return json.loads(getattr(LIBRARY, name)(**settings).to_json_string())


@pytest.mark.parametrize("name", DIFFUSION)
def test_a_sampler_of_a_diffusion_gives_the_noise_levels_that_it_says(name: str) -> None:
    if name == "DPMSolverSDEScheduler":  # it needs a package of its own to be made, but not to be read
        config = {**STABLE_DIFFUSION, "_class_name": name, "timestep_spacing": "linspace"}
    else:
        config = saved(name, **STABLE_DIFFUSION)
    levels = LIBRARY.DDIMScheduler(**STABLE_DIFFUSION).alphas_cumprod.double()
    ours = DDIMTransition.from_config(config, 10, 1.0)
    times = ours.timesteps.numpy().tolist()
    assert times == sorted(times, reverse=True)
    # With no noise predicted, a step only scales: by √(ᾱ_s / ᾱ_t).
    scale = [float(ours.mean(torch.zeros(1, 1), j, torch.ones(1, 1))) for j in range(9)]
    expected = [float((levels[s] / levels[t]).sqrt()) for t, s in pairwise(times)]
    assert scale == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", [*OTHERS, *FLOW, "MyScheduler"])
def test_a_scheduler_of_another_family_is_refused_by_its_name(name: str) -> None:
    config = saved(name) if hasattr(LIBRARY, name) else {"_class_name": name}
    with pytest.raises(ValueError, match=rf"^policy\.model: its scheduler is {name}, [^\n]*$"):
        DDIMTransition.from_config(config, 8, 1.0)


@pytest.mark.parametrize("name", ["DDIMScheduler", "PNDMScheduler", "FlowMatchLCMScheduler", "EDMEulerScheduler"])
def test_a_flow_is_not_drawn_on_the_noise_levels_of_something_else(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^policy\.model: its scheduler is {name}, [^\n]*$"):
        FlowTransition.from_config(saved(name), 8, 0.7)
    assert len(FlowTransition.from_config(saved("FlowMatchHeunDiscreteScheduler"), 8, 0.7)) == 8


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True}, "has use_flow_sigmas True"),
        ("UniPCMultistepScheduler", {"prediction_type": "flow_prediction"}, "has prediction_type 'flow_prediction'"),
        ("EulerDiscreteScheduler", {"timestep_type": "continuous"}, "has timestep_type 'continuous'"),
        ("DDIMScheduler", {"beta_schedule": "laplace"}, "'s settings cannot be used: laplace is not implemented"),
        ("DDIMScheduler", {"beta_start": "small"}, "'s settings cannot be used: "),
        ("DDIMScheduler", {"timestep_spacing": "middle"}, "has timestep_spacing 'middle'"),
    ],
)
def test_settings_that_change_the_noise_levels_are_refused(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"^policy\.model: its scheduler{'' if said[0] == chr(39) else ' '}{said}"):
        DDIMTransition.from_config({**saved(name), **settings}, 8, 1.0)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("offset", [0, 1])
def test_every_number_of_steps_is_drawn_on_trained_timesteps_or_refused(spacing: str, offset: int) -> None:
    config = saved("DDIMScheduler", timestep_spacing=spacing, steps_offset=offset, **STABLE_DIFFUSION)
    refused = list[int]()
    for steps in [*range(1, 60), *range(480, 1000, 13), 999, 1000]:
        try:
            times = DDIMTransition.from_config(config, steps, 1.0).timesteps
        except ValueError as error:
            assert str(error).startswith(f"sampler.steps: {steps} steps do not fit into the 1000 of the scheduler")  # noqa: PT017
            refused.append(steps)
        else:
            assert len(times) == steps
            assert 999 >= int(times[0]) >= int(times[-1]) >= 0
    # With `trailing`, diffusers itself loses count at a few numbers of steps, by rounding.
    assert refused == {"leading": [1000] if offset else [], "trailing": [805, 961, 974], "linspace": []}[spacing]


def test_a_loaded_policy_and_its_folder_are_judged_alike(tiny_policy_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_policy_dir, tmp_path / "policy"))
    index = json.loads((folder / "model_index.json").read_text())
    sampler = SamplerConfig(steps=4)

    def exchange(name: str) -> None:
        getattr(LIBRARY, name)(**STABLE_DIFFUSION).save_pretrained(folder / "scheduler")
        (folder / "model_index.json").write_text(json.dumps(index | {"scheduler": ["diffusers", name]}))

    exchange("EulerDiscreteScheduler")
    assert stored_scheduler(str(folder)) == "EulerDiscreteScheduler"
    planned = stored_transition(PolicyConfig(model=str(folder)), sampler)
    loaded = Policy.load(PolicyConfig(model=str(folder))).transition(sampler)
    assert torch.equal(planned.timesteps, loaded.timesteps)
    assert torch.equal(planned.std, loaded.std)
    assert loaded.timesteps.numpy().tolist() == [999, 666, 333, 0]
    exchange("LCMScheduler")
    for transition in (
        lambda: stored_transition(PolicyConfig(model=str(folder)), sampler),
        lambda: Policy.load(PolicyConfig(model=str(folder))).transition(sampler),
    ):
        with pytest.raises(ValueError, match="its scheduler is LCMScheduler"):
            transition()


def test_what_a_folder_lacks_is_known_from_its_index(tiny_policy_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_policy_dir, tmp_path / "policy"))
    assert missing_parts(str(folder)) == []
    shutil.rmtree(folder / "vae")
    shutil.rmtree(folder / "text_encoder")
    assert missing_parts(str(folder)) == ["text_encoder", "vae"]
