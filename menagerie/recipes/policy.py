"""The recipe of the policy: a Stable Diffusion pipeline that draws the plain world, artifacts included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch.nn import functional as F
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from menagerie.datasets.captioned_latents import CaptionedLatents
from menagerie.training.fit import fit
from menagerie.training.model_folder import load_vae, require_model, save_model

BATCH, SEED = 64, 15


def build() -> UNet2DConditionModel:
    torch.manual_seed(SEED)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=24,
        out_channels=24,
        layers_per_block=1,
        block_out_channels=(80, 144),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=128,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def scheduler() -> DDIMScheduler:
    """Trailing timesteps, so that sampling with few steps starts at pure noise."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )


def text_tower(clip: CLIPModel) -> CLIPTextModel:
    """The text encoder of the pipeline: the text tower of our CLIP model."""
    settings: Any = clip.config.text_config
    tower = CLIPTextModel(settings)
    weights = {k.removeprefix("text_model."): v for k, v in clip.state_dict().items() if k.startswith("text_model.")}
    tower.load_state_dict({k: weights[k.removeprefix("text_model.")] for k in tower.state_dict()})
    return tower.eval().requires_grad_(False)


@torch.inference_mode()
def conditions(tower: CLIPTextModel, tokenizer: CLIPTokenizer, captions: Sequence[str]) -> torch.Tensor:
    """Token embeddings `[n, 32, 128]`, as the pipeline encodes its prompts."""
    ids = tokenizer(list(captions), padding="max_length", truncation=True, return_tensors="pt").input_ids
    return torch.cat([tower(part)[0] for part in ids.split(100)])


def train(
    out: Path, steps: int = 4000, count: int = 40_000, say: Callable[[str], None] = print
) -> UNet2DConditionModel:
    """Trains the U-Net on cached latents; autoencoder and text tower are frozen, from their own recipes."""
    vae: Any = load_vae(out)
    clip = CLIPModel.from_pretrained(require_model(out, "clip"), dtype=torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(out / "clip")
    tower = text_tower(clip)
    dataset = CaptionedLatents.draw(vae, count)
    texts = conditions(tower, tokenizer, dataset.captions)
    noise_schedule: Any = scheduler()
    unet = build()

    def loss(step: int) -> torch.Tensor:
        rng = np.random.default_rng((SEED, step))
        x, words = dataset.batch(BATCH, rng)
        noise = torch.randn(x.shape)
        t = torch.from_numpy(rng.integers(1000, size=BATCH))
        out = unet(noise_schedule.add_noise(x, noise, t), t, texts[words]).sample
        return F.mse_loss(out, noise_schedule.get_velocity(x, noise, t))

    state = out / "training" / "policy.pt"
    fit(unet, loss, steps=steps, lr=1e-3, muon=0.008, ema=0.999, warmup=300, state=state, every=100, say=say)
    none: Any = None
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=tower,
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=noise_schedule,
        safety_checker=none,
        feature_extractor=none,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(out / "policy")
    save_model(unet, out / "policy" / "unet")
    save_model(vae, out / "policy" / "vae")
    save_model(tower, out / "policy" / "text_encoder", dtype="float32")
    return unet
