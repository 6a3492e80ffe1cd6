"""The plain sampler draws what somebody sees who loads the LoRA into diffusers and sets nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from tiny import disturb

from actors.config import LoraConfig, PolicyConfig
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


def left_out(policy: Policy) -> list[str]:
    return [name for name, part in policy.pipe.components.items() if part is None]
