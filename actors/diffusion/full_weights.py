# pyright: strict
"""A policy of which all weights of the denoising network are trained: what it was before, and how it is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch

from actors.config import PolicyConfig
from actors.diffusion.acceleration import accelerate, compile_network
from actors.diffusion.pipelines.pipeline import Pipeline
from rewards.errors import ExportError


def precisions(part: str, config: PolicyConfig) -> Any:
    """The precision in which diffusers is to load a pipeline whose network is its `part`: one, or one a part.

    Weights that are trained are float32, or a step of a small learning rate would be rounded away.
    """
    dtype: torch.dtype = getattr(torch, config.dtype)
    if config.train == "lora" or dtype is torch.float32:
        return dtype
    return {part: torch.float32, "default": dtype}


def frozen_network(pipeline: Pipeline, config: PolicyConfig) -> Any:
    """The network of `pipeline` as it is in the policy's folder, before any training; on the CPU."""
    options = {} if config.variant is None else {"variant": config.variant}
    family: Any = type(cast(object, pipeline.network))
    network = family.from_pretrained(config.model, subfolder=pipeline.part, dtype=torch.float32, **options)
    network.requires_grad_(False).eval()
    # A family may have attention of its own.
    network.set_attn_processor(dict(pipeline.network.attn_processors))
    accelerate(network, config)
    compile_network(network, config)
    return network


def save_pipeline(pipeline: Pipeline, folder: Path | str) -> None:
    """Writes the whole pipeline into `folder` so that `from_pretrained` of plain diffusers loads it, and reads it back;
    raises ExportError if that gives another network."""
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    pipeline.pipe.save_pretrained(folder)
    precision = {pipeline.part: torch.float32, "default": pipeline.pipe.vae.dtype}
    read: Any = cast(Any, DiffusionPipeline).from_pretrained(folder, dtype=precision, **_left_out(pipeline))
    mine, theirs = pipeline.network.state_dict(), getattr(read, pipeline.part).state_dict()
    unlike = [name for name in mine if name not in theirs or not torch.equal(mine[name].cpu(), theirs[name])]
    if unlike or mine.keys() != theirs.keys():
        raise ExportError(
            f"plain diffusers does not read back the network that was written: {len(unlike)} of its {len(mine)} "
            f"tensors differ{f', {unlike[0]} first' if unlike else ''}"
        )


def _left_out(pipeline: Pipeline) -> dict[str, None]:
    """The parts that the pipeline does without, which some classes want named."""
    parts = cast("dict[str, Any]", pipeline.pipe.components)
    return {name: None for name, part in parts.items() if part is None}
