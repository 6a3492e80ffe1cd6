"""The plain sampler draws what somebody sees who loads the LoRA into diffusers and sets nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from tiny import disturb

from actors.config import LoraConfig, PolicyConfig, Resolution
from actors.diffusion.evaluation_settings import PlainSettings
from actors.diffusion.plain_sampler import PlainSampler
from actors.diffusion.policy import Policy

PROMPTS, SEEDS = ["a red cat", "a dog in the snow", "a red cat"], [3, 4, 5]


@pytest.mark.parametrize(
    ("folder", "scheduler", "steps", "guidance"),
    [("tiny_policy_dir", "DDIMScheduler", 50, 7.5), ("tiny_flow_dir", "FlowMatchEulerDiscreteScheduler", 28, 7.0)],
)
def test_it_draws_what_plain_diffusers_draws(
    folder: str, scheduler: str, steps: int, guidance: float, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = str(request.getfixturevalue(folder))
    policy = Policy.load(PolicyConfig(model=model, lora=LoraConfig(rank=2, alpha=6)))
    disturb(policy)
    policy.save_lora(tmp_path / "lora")
    sampler = PlainSampler(policy, max_batch=2)
    assert sampler.settings == {"scheduler": scheduler, "steps": steps, "guidance": guidance}
    loader: Any = DiffusionPipeline
    plain = loader.from_pretrained(model, **dict.fromkeys(left_out(policy)))
    plain.load_lora_weights(str(tmp_path / "lora"))
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    expected = (plain(PROMPTS, generator=generators, output_type="np").images * 255).round().astype(int)
    drawn = sampler.images(PROMPTS, SEEDS)
    assert drawn.dtype == np.uint8
    assert np.abs(drawn.astype(int) - expected).max() <= 1
    with policy.reference():
        assert np.abs(sampler.images(PROMPTS[:1], SEEDS[:1]).astype(int) - expected[:1]).max() > 1
    with pytest.raises(ValueError, match="3 prompts and 2 seeds do not pair"):
        sampler.images(PROMPTS, SEEDS[:2])


@pytest.mark.parametrize(
    ("folder", "scheduler"),
    [("tiny_policy_dir", "DPMSolverMultistepScheduler"), ("tiny_flow_dir", "FlowMatchHeunDiscreteScheduler")],
)
def test_it_draws_what_plain_diffusers_draws_when_it_is_told_the_same(
    folder: str, scheduler: str, request: pytest.FixtureRequest
) -> None:
    model = str(request.getfixturevalue(folder))
    policy = Policy.load(PolicyConfig(model=model))
    own, size = policy.pipe.scheduler, Resolution(height=96, width=48)
    told = PlainSettings(steps=4, guidance=2.0, resolution=size, scheduler=scheduler)
    sampler = PlainSampler(policy, 2, told)
    assert sampler.settings == {"scheduler": scheduler, "steps": 4, "guidance": 2.0, "resolution": "96 × 48"}
    loader: Any = DiffusionPipeline
    plain = loader.from_pretrained(model, **dict.fromkeys(left_out(policy)))
    plain.scheduler = getattr(diffusers, scheduler).from_config(plain.scheduler.config)
    asked = {"height": 96, "width": 48, "num_inference_steps": 4, "guidance_scale": 2.0, "output_type": "np"}
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    expected = (plain(PROMPTS, generator=generators, **asked).images * 255).round().astype(int)
    assert np.abs(sampler.images(PROMPTS, SEEDS).astype(int) - expected).max() <= 1
    assert policy.pipe.scheduler is own


def left_out(policy: Policy) -> list[str]:
    return [name for name, part in policy.pipe.components.items() if part is None]
