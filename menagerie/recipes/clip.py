"""The recipe of the CLIP model: its text tower serves the policy, both towers the alignment judge.

The shipped one, whose text tower the policies were trained on, had its decay of the learning rate cut short at step
3,500; what this recipe makes is as good.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

from menagerie.datasets.album import Album
from menagerie.training.fit import bfloat16, fit
from menagerie.training.model_folder import made, ship
from menagerie.training.tokenizers import clip_tokenizer

BATCH, SEED = 96, 12
MEAN, STD = [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]


def build() -> tuple[CLIPModel, CLIPProcessor]:
    torch.manual_seed(SEED)
    tokenizer = clip_tokenizer()
    model = CLIPModel(
        CLIPConfig(
            text_config={
                "vocab_size": len(tokenizer),
                "hidden_size": 128,
                "intermediate_size": 384,
                "num_hidden_layers": 3,
                "num_attention_heads": 4,
                "max_position_embeddings": 32,
                "bos_token_id": tokenizer.bos_token_id,
                "eos_token_id": tokenizer.eos_token_id,
                "pad_token_id": tokenizer.pad_token_id,
            },
            vision_config={
                "hidden_size": 128,
                "intermediate_size": 384,
                "num_hidden_layers": 4,
                "num_attention_heads": 4,
                "image_size": 64,
                "patch_size": 8,
            },
            projection_dim=64,
        )
    )
    square = {"height": 64, "width": 64}
    images = CLIPImageProcessorPil(
        size={"shortest_edge": 64}, crop_size=square, image_mean=MEAN, image_std=STD, resample=3
    )
    return model, CLIPProcessor(image_processor=images, tokenizer=tokenizer)


def contrastive_loss(logits: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Symmetric cross-entropy of `logits` `[n, n]`; `same[i, j]` where captions i and j mean the same scene, so that
    equal pairs are not pushed apart."""
    target = same.float() / same.sum(1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def features(
    model: CLIPModel, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit embeddings of images and texts, `[n, 64]` each."""
    image = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    text = model.text_projection(model.text_model(**tokens).pooler_output)
    return F.normalize(image.float(), dim=-1), F.normalize(text.float(), dim=-1)


def train(out: Path, steps: int = 4500, count: int = 40_000, say: Callable[[str], None] = print) -> CLIPModel:
    album = Album.drawn(count, damaged=0.45)
    meanings = np.array([hash(scene.caption()) for scene in album.scenes])
    model, processor = build()
    tokens = processor.tokenizer(list(album.captions), padding="max_length", return_tensors="pt")

    def loss(step: int) -> torch.Tensor:
        rng = np.random.default_rng(step)
        rows = rng.integers(count, size=BATCH)
        pixels = album.batch(rows)
        if rng.random() < 0.5:  # as soft as a decoder's pictures
            pixels = F.interpolate(F.avg_pool2d(pixels, 2), scale_factor=2, mode="bilinear")
        pixels = pixels + 0.05 * torch.randn_like(pixels)
        with bfloat16():
            image, text = features(model, pixels, {k: v[rows] for k, v in tokens.items()})
        scale = model.logit_scale.exp().clamp(max=100)
        same = torch.from_numpy(meanings[rows][:, None] == meanings[rows][None])
        return contrastive_loss(scale * image @ text.T, same)

    fit(model, loss, steps=steps, lr=1e-3, state=out / "training" / "clip.pt", weight_decay=0.05, warmup=200, say=say)
    ship(model, out / "clip")
    processor.save_pretrained(out / "clip")
    if built := [name for name in ("flow", "aesthetic") if made(out / name)]:
        say(f"{' and '.join(built)} in {out} were trained on another CLIP; now train these again, too")
    return model
