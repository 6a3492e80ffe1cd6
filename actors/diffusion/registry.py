"""The kinds of pipelines that can be a policy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from actors.diffusion.pipeline import Pipeline
from actors.diffusion.stable_diffusion import StableDiffusion
from actors.diffusion.stable_diffusion_3 import StableDiffusion3

KINDS: dict[str, type[Pipeline]] = {
    "StableDiffusionPipeline": StableDiffusion,
    "StableDiffusion3Pipeline": StableDiffusion3,
}
"""`_class_name` in a pipeline's model_index.json → how Salon uses it."""


def kind_of(model: str) -> type[Pipeline]:
    """How to use the pipeline in the folder or under the hub name `model`.

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
            given = json.loads(index.read_text("utf-8"))
        except ValueError as error:
            raise ValueError(f"policy.model: {index} is no JSON ({error}); is the download whole?") from None
        name = given.get("_class_name") if isinstance(given, dict) else None
    else:
        name = _class_on_the_hub(model)
    if not isinstance(name, str) or name not in KINDS:
        told = f"is a {name}" if isinstance(name, str) else "does not say in its model_index.json what it is"
        raise ValueError(f"policy.model: {model} {told}; Salon trains a {' or a '.join(KINDS)}")
    return KINDS[name]


def _class_on_the_hub(model: str) -> object:
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) or model.startswith("."):
        raise ValueError(f"policy.model: there is no folder {model}; give a from_pretrained folder or a hub name")
    try:
        index: Any = DiffusionPipeline.load_config(model)
    except OSError as error:
        raise ValueError(f"policy.model: {model} cannot be loaded: {error}") from error
    return index.get("_class_name")
