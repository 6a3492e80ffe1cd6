# pyright: strict
"""The lines of Python that draw with a trained policy in plain diffusers, as its users will and as it was trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actors.config import Resolution, SamplerConfig

DIFFUSIONS = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
"""Pipelines whose sampler, DDIM, diffusers has as well."""


def drawing_code(config: Mapping[str, Any], trained: Path) -> str:
    """Python that loads the policy of `config`, a run's as read from YAML, as it is `trained`: the folder of a LoRA, or
    of a pipeline if all weights were trained.

    It draws twice: with the pipeline's own settings, and with those of training. Diffusers has the sampler of a
    Stable Diffusion policy (DDIM with η), and no stochastic one for flow matching, so there the noise is missing.
    """
    policy: dict[str, Any] = config.get("policy") or {}
    sampler: dict[str, Any] = {**SamplerConfig().model_dump(), **(config.get("sampler") or {})}
    full = policy.get("train") == "full"
    model = str(trained) if full else str(policy.get("model", "MODEL"))
    parts = _parts(model)
    # Without these arguments diffusers refuses a Stable Diffusion 3 folder that has no third text encoder.
    left_out = [f"{part}=None" for part in ("text_encoder_3", "tokenizer_3") if parts.get(part, [True])[0] is None]
    flow = parts.get("_class_name", DIFFUSIONS[0]) not in DIFFUSIONS
    size = _size(policy)
    asked = ", ".join(['"a prompt"', *size])
    settings = [*size, f"num_inference_steps={sampler['steps']}", f"guidance_scale={float(sampler['guidance'])}"]
    if negative := str(sampler["negative_prompt"]):
        settings.append(f"negative_prompt={json.dumps(negative)}")
    lines = [
        f"from diffusers import {'' if flow else 'DDIMScheduler, '}DiffusionPipeline",
        "",
        f"pipe = DiffusionPipeline.from_pretrained({', '.join([json.dumps(model), *left_out])})",
        *([] if full else [f"pipe.load_lora_weights({json.dumps(str(trained))})"]),
        f'pipe({asked}).images[0].save("own-settings.png")  # with the pipeline\'s own settings',
        "",
    ]
    if flow:
        lines.append(f"# As it was trained, but for the noise (eta {sampler['eta']}), which diffusers does not have.")
    else:
        lines += [
            "# As it was trained and evaluated.",
            "pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)",
        ]
        settings.append(f"eta={float(sampler['eta'])}")
    return "\n".join([*lines, f'pipe("a prompt", {", ".join(settings)}).images[0].save("as-trained.png")'])


def _size(policy: Mapping[str, Any]) -> list[str]:
    """The arguments for a resolution that is not the network's own."""
    if not policy.get("resolution"):
        return []
    height, width = Resolution.model_validate(policy["resolution"]).pixels
    return [f"height={height}", f"width={width}"]


def _parts(model: str) -> dict[str, Any]:
    """The model_index.json of the folder `model`; empty for a hub name."""
    index = Path(model, "model_index.json")
    return json.loads(index.read_text("utf-8")) if index.is_file() else {}
