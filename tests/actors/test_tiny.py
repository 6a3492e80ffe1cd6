"""The tiny pipeline that the other tests stand on loads and draws."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline


def test_tiny_policy_loads_from_its_folder_and_draws_64_pixel_pictures(tiny_policy_dir: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_policy_dir)
    pipe.set_progress_bar_config(disable=True)
    images = pipe(
        ["a red cat in the snow", "a dog"],
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).images
    assert images.shape == (2, 64, 64, 3)
    assert images.std() > 0
    assert pipe.tokenizer("red cat").input_ids != pipe.tokenizer("red dog").input_ids
