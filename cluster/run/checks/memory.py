# pyright: strict
"""Whether the pictures of a run fit into memory: a group's, those on their way at once, and an evaluation's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actors.prompts import PromptList
from cluster.config.experiment import ExperimentConfig
from cluster.run.machine import Machine
from rewards.user_input.model_folder import read_json_object

MIB = 2**20


class PictureSize(NamedTuple):
    """Bytes of one picture's pixels, and of the latents of one of its denoising steps."""

    pixels: int
    latents: int


def memory_problems(config: ExperimentConfig, machine: Machine | None = None) -> Iterator[str]:
    """A line for what is larger than the memory of `machine` (default: this); nothing of an existing cluster's, whose
    memory is not known here. An estimate from below: models and judges need theirs as well."""
    if config.cluster.address is not None:
        return
    free = (machine or Machine.here()).memory
    size, e, group = picture_size(config.policy.model), config.evaluation, group_bytes(config)
    window = min(config.max_lag + 1, config.updates) * config.groups_per_update * group
    try:
        prompts = min(e.prompts, len(PromptList(config.prompts.holdout or config.prompts.file)))
    except ValueError:  # said elsewhere
        prompts = 1
    evaluation = prompts * e.samples * size.pixels
    for key, what, need in (
        ("samples_per_prompt", f"one group of {config.samples_per_prompt:,} pictures and their latents", group),
        ("groups_per_update", f"the groups of {config.groups_per_update:,} prompts that are on their way", window),
        ("evaluation.samples", f"an evaluation of {prompts:,} × {e.samples:,} pictures", evaluation),
    ):
        if need > free:
            yield f"{key}: {what} are about {need / MIB:,.0f} MiB, and {free / MIB:,.0f} MiB of memory are free"
            return


def group_bytes(config: ExperimentConfig) -> int:
    """Bytes of one group's pictures and latents."""
    size = picture_size(config.policy.model)
    recorded = len(config.learner.algorithm.recording(config.training, np.ones(config.sampler.steps, bool)))
    return config.samples_per_prompt * (size.pixels + (recorded + 1) * size.latents)


def picture_size(model: str) -> PictureSize:
    """By the configs in the folder `model`; of a hub name, Stable Diffusion's 512 × 512 pixels."""
    network = _settings(model, "unet") or _settings(model, "transformer")
    side, channels = network.get("sample_size", 64), network.get("in_channels", 4)
    height, width = (side, side) if isinstance(side, int) else tuple(side)
    blocks = _settings(model, "vae").get("block_out_channels") or [0] * 4
    scale = 2 ** (len(blocks) - 1)
    return PictureSize(3 * scale * height * scale * width, 4 * channels * height * width)


def _settings(model: str, part: str) -> dict[str, Any]:
    try:
        return dict(read_json_object(Path(model, part, "config.json")))
    except ValueError:
        return {}
