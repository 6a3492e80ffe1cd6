"""A small Stable Diffusion for measurements, whose time goes where that of a large one goes: into its U-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch

from rewards.pretrained import quiet_libraries

ROOT = Path(__file__).parents[1]


def save_small_diffusion(folder: Path) -> None:
    """Saves a Stable Diffusion with random weights, Stable Diffusion's own noise schedule, and the text encoder of the
    drawn world's policy: a U-Net of 1.0M parameters on latents of 4×16×16, pictures of 64×64."""
    import diffusers

    quiet_libraries()
    library = cast(Any, diffusers)
    pipe = library.StableDiffusionPipeline.from_pretrained(
        str(ROOT / "menagerie" / "models" / "policy"), safety_checker=None, requires_safety_checker=False
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipe.unet = library.UNet2DConditionModel(
            sample_size=16,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(36, 72),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=pipe.unet.config.cross_attention_dim,
            attention_head_dim=4,
            norm_num_groups=12,
        )
        pipe.vae = library.AutoencoderKL(
            block_out_channels=(8, 16, 16),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            latent_channels=4,
            norm_num_groups=8,
        )
    pipe.scheduler = library.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    pipe.save_pretrained(str(folder))
