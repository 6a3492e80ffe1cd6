# pyright: strict
"""Whether the pictures of a run fit into memory: a group's, those on their way at once, and an evaluation's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actors.config import PolicyConfig
from actors.prompts import PromptList
from cluster.config.experiment import ExperimentConfig
from cluster.run.machine import Machine

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
    size, e, group = picture_size(config.policy), config.evaluation, group_bytes(config)
    window = min(config.max_lag + 1, config.updates) * config.groups_per_update * group
    needs = [
        ("samples_per_prompt", f"one group of {config.samples_per_prompt:,} pictures and their latents", group),
        ("groups_per_update", f"the groups of {config.groups_per_update:,} prompts that are on their way", window),
    ]
    if (data := config.learner.algorithm.data_set) is not None:
        # One batch is trained while the next one is read.
        batches = 2 * data.batch * data.pictures * size.pixels
        needs = [("learner.algorithm.data.batch", f"two batches of {data.batch:,} rows with their pictures", batches)]
    if config.evaluates:
        try:
            prompts = min(e.prompts, len(PromptList(config.evaluation_prompts)))
        except ValueError:  # said elsewhere
            prompts = 1
        pictures = prompts * e.samples * size.pixels
        needs.append(("evaluation.samples", f"an evaluation of {prompts:,} × {e.samples:,} pictures", pictures))
    for key, what, need in needs:
        if need > free:
            yield f"{key}: {what} are about {need / MIB:,.0f} MiB, and {free / MIB:,.0f} MiB of memory are free"
            return


def group_bytes(config: ExperimentConfig) -> int:
    """Bytes of one group's pictures and latents."""
    size = picture_size(config.policy)
    recorded = len(config.learner.algorithm.recording(config.training, np.ones(config.sampler.steps, bool)))
    return config.samples_per_prompt * (size.pixels + (recorded + 1) * size.latents)


def picture_size(policy: PolicyConfig) -> PictureSize:
    """By the configs in the policy's folder; of a hub name, Stable Diffusion's latents at `policy.resolution`, by
    default 512 × 512 pixels."""
    from actors.diffusion.pipelines.picture_shape import PictureShape
    from actors.diffusion.pipelines.registry import stored_shape

    try:
        shape = stored_shape(policy.model, policy.pixels) if Path(policy.model).is_dir() else None
    except ValueError:  # said elsewhere
        shape = None
    if shape is None:
        height, width = policy.pixels or (512, 512)
        shape = PictureShape.of(4, (height // 8, width // 8), 8, 1)
    return PictureSize(3 * math.prod(shape.pixels), 4 * math.prod(shape.latents))
