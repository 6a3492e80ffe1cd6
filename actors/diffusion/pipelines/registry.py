"""The pipeline families that can be a policy, by the class name in a pipeline's index."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from actors.config import PolicyConfig, SamplerConfig
from actors.diffusion.pipelines.flux import Flux
from actors.diffusion.pipelines.picture_shape import PictureShape
from actors.diffusion.pipelines.pipeline import Pipeline
from actors.diffusion.pipelines.stable_diffusion import StableDiffusion
from actors.diffusion.pipelines.stable_diffusion_3 import StableDiffusion3
from actors.diffusion.pipelines.stable_diffusion_xl import StableDiffusionXL
from actors.diffusion.transitions.transition import Transition
from rewards.user_input.model_folder import read_json_object

KINDS: dict[str, type[Pipeline]] = {
    "StableDiffusionPipeline": StableDiffusion,
    "StableDiffusionXLPipeline": StableDiffusionXL,
    "StableDiffusion3Pipeline": StableDiffusion3,
    "FluxPipeline": Flux,
}
"""`_class_name` in a pipeline's model_index.json → the family that it belongs to."""


def kind_of(model: str) -> type[Pipeline]:
    """The family of the pipeline in the folder or under the hub name `model`.

    Raises ValueError if there is no pipeline, or one that is none of KINDS. Of a folder only model_index.json is read.
    """
    folder = Path(model)
    if folder.exists():
        index = folder / "model_index.json"
        if not index.is_file():
            raise ValueError(
                f"policy.model: {model} holds no model_index.json, so it is no pipeline; give the folder that "
                "`pipe.save_pretrained` wrote"
            )
        try:
            name: object = read_json_object(index).get("_class_name")
        except ValueError as error:
            raise ValueError(f"policy.model: {error}") from None
    else:
        name = _class_on_the_hub(model)
    if not isinstance(name, str) or name not in KINDS:
        what = f"is a {name}" if isinstance(name, str) else "does not say in its model_index.json what it is"
        raise ValueError(f"policy.model: {model} {what}; Salon trains a {', '.join(KINDS)}")
    return KINDS[name]


def stored_transition(policy: PolicyConfig, sampler: SamplerConfig) -> Transition:
    """The denoising transition by which `sampler` draws with a policy that is a folder, of whose files only the configs
    are read."""
    model = policy.model
    kind, shape = kind_of(model), stored_shape(model, policy.pixels)
    schedule = {**_config(model, "scheduler", "scheduler_config.json"), "_class_name": stored_scheduler(model)}
    return kind.transition(schedule, shape, sampler.steps, sampler.eta).with_noise(sampler.noise)


def stored_shape(model: str, resolution: tuple[int, int] | None = None) -> PictureShape:
    """The shape of a picture of the pipeline in folder `model`, by its configs; see `Pipeline.shape_of`."""
    kind = kind_of(model)
    network, vae = _config(model, kind.part), _config(model, "vae")
    try:
        return kind.shape_of(network, vae, resolution)
    except KeyError as error:
        raise ValueError(
            f"policy.model: neither {kind.part}/config.json nor vae/config.json in {model} says {error}; is the "
            "download whole?"
        ) from None


def stored_scheduler(model: str) -> str:
    """The class of the scheduler in folder `model`, as diffusers loads it: what the index says counts."""
    index = read_json_object(Path(model, "model_index.json"))
    entry: object = index.get("scheduler")
    return str(cast("list[object]", entry)[-1]) if isinstance(entry, list) and entry else "none at all"


def missing_parts(model: str) -> list[str]:
    """The parts that the index of the pipeline in folder `model` names, and that the folder lacks."""
    index = read_json_object(Path(model, "model_index.json"))
    # [null, null] is a part that the pipeline goes without; the safety checker is left out when it is loaded.
    named = [name for name, entry in index.items() if isinstance(entry, list) and any(cast("list[object]", entry))]
    return [name for name in named if name != "safety_checker" and not Path(model, name).is_dir()]


def _config(model: str, part: str, file: str = "config.json") -> Mapping[str, Any]:
    try:
        return read_json_object(Path(model, part, file))
    except ValueError as error:
        raise ValueError(f"policy.model: {error}") from None


def _class_on_the_hub(model: str) -> object:
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) or model.startswith("."):
        here = "" if Path(model).is_absolute() else f" below {Path.cwd()} on {platform.node()}"
        raise ValueError(
            f"policy.model: there is no folder {model}{here}; give a from_pretrained folder or a hub name, and for a "
            "cluster an absolute path that every node has"
        )
    try:
        index: Any = cast(Any, DiffusionPipeline).load_config(model)
    except OSError as error:
        raise ValueError(f"policy.model: {model} cannot be loaded: {error}") from error
    return index.get("_class_name")
