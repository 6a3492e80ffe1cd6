"""The recipe of the flow policy: a Stable Diffusion 3 pipeline without T5 that draws the same world as the policy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from torch.nn import functional as F
from transformers import CLIPModel, CLIPTextModelWithProjection, CLIPTokenizer

from actors.diffusion.pipelines.repeated_token import RepeatedToken
from actors.diffusion.pipelines.stable_diffusion_3 import LENGTH
from menagerie.datasets.captioned_latents import CaptionedLatents
from menagerie.training.fit import bfloat16, fit
from menagerie.training.model_folder import load_vae, require_model, save_model

BATCH, SEED = 64, 19
LINKS = {
    "vae": "../policy/vae",
    "tokenizer": "../policy/tokenizer",
    "tokenizer_2": "../policy/tokenizer",
    "text_encoder/model.safetensors": "../../clip/model.safetensors",
    "text_encoder_2": "text_encoder",
}
"""Parts of the pipeline that are symbolic links to other models' files, so that these are not shipped twice. A text
encoder reads the weights of the text tower from CLIP's, and ignores the vision tower's."""


def build() -> SD3Transformer2DModel:
    torch.manual_seed(SEED)
    return SD3Transformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=24,
        out_channels=24,
        num_layers=4,
        num_attention_heads=4,
        attention_head_dim=32,
        joint_attention_dim=256,
        caption_projection_dim=128,
        pooled_projection_dim=128,
        pos_embed_max_size=8,
        qk_norm="rms_norm",
    )


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(shift=1.0)


def text_tower(clip: CLIPModel) -> CLIPTextModelWithProjection:
    """The pipeline's CLIP text encoder (both are the same): the text tower of our CLIP model, and its projection."""
    settings: Any = copy.deepcopy(clip.config.text_config)
    settings.projection_dim = clip.config.projection_dim
    tower = CLIPTextModelWithProjection(settings)
    weights = clip.state_dict()
    tower.load_state_dict({name: weights[name] for name in tower.state_dict()})
    return tower.eval().requires_grad_(False)


@torch.inference_mode()
def conditions(
    tower: CLIPTextModelWithProjection, tokenizer: CLIPTokenizer, captions: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token embeddings `[n, 32, 128]` and pooled ones `[n, 64]`, as the pipeline gets them from a text encoder."""
    ids = tokenizer(list(captions), padding="max_length", truncation=True, return_tensors="pt").input_ids
    parts = [tower(part, output_hidden_states=True) for part in ids.split(100)]
    return torch.cat([p.hidden_states[-2] for p in parts]), torch.cat([p.text_embeds for p in parts])


def train(
    out: Path, steps: int = 9000, count: int = 30_000, say: Callable[[str], None] = print
) -> SD3Transformer2DModel:
    """Trains the transformer on cached latents by rectified flow (Esser et al. 2024): x_t = (1 - t) x_0 + t ε, with
    logit-normal times and target ε - x_0. Autoencoder and text tower are frozen, from their own recipes."""
    require_model(out, "policy")  # whose autoencoder and tokenizer it uses
    clip = CLIPModel.from_pretrained(require_model(out, "clip"), dtype=torch.float32)
    tower = text_tower(clip)
    dataset = CaptionedLatents.draw(load_vae(out), count)
    tokens, pooled = conditions(tower, CLIPTokenizer.from_pretrained(out / "clip"), dataset.captions)
    transformer = build()
    own = transformer.attn_processors
    transformer.set_attn_processor(RepeatedToken())  # type: ignore[arg-type]

    def loss(step: int) -> torch.Tensor:
        x, words = dataset.batch(BATCH, np.random.default_rng((SEED, step)))
        noise, t = torch.randn(x.shape), torch.randn(BATCH).sigmoid()
        level = t[:, None, None, None]
        text = F.pad(tokens[words].repeat(1, 1, 2), (0, 0, 0, 1))  # the encoders' tokens, and one zero
        noisy, settings = (1 - level) * x + level * noise, {"copies": LENGTH}
        with bfloat16():
            out: Any = transformer(noisy, text, pooled[words].repeat(1, 2), 1000 * t, joint_attention_kwargs=settings)
        return F.mse_loss(out.sample.float(), noise - x)

    state = out / "training" / "flow.pt"
    fit(transformer, loss, steps=steps, lr=1e-3, muon=0.01, ema=0.999, warmup=300, state=state, every=100, say=say)
    transformer.set_attn_processor(own)  # type: ignore[arg-type]
    save(transformer.eval(), tower, out)
    return transformer


def save(transformer: SD3Transformer2DModel, tower: CLIPTextModelWithProjection, out: Path) -> None:
    """Saves the pipeline to `out/flow` part by part: saving it as a whole would write through the links."""
    folder, noise_schedule = out / "flow", scheduler()
    tokenizer = CLIPTokenizer.from_pretrained(out / "policy" / "tokenizer")
    vae: Any = load_vae(out)
    none: Any = None
    pipe = StableDiffusion3Pipeline(transformer, noise_schedule, vae, tower, tokenizer, tower, tokenizer, none, none)
    pipe.save_config(folder)
    noise_schedule.save_pretrained(folder / "scheduler")
    save_model(transformer, folder / "transformer")
    tower.config.architectures = [type(tower).__name__]
    tower.config.dtype = torch.float32
    tower.config.save_pretrained(folder / "text_encoder")
    for name, target in LINKS.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target, target_is_directory=True)
