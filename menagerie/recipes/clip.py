"""The recipe of the CLIP model: its text tower is the policies' text encoder, both towers are the alignment judge.

The training of the shipped one, whose text tower the policies were trained on, was stopped at step 3,500, before the
end of the learning rate's decay; this recipe makes one that is as good.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

from menagerie.datasets.plain_pictures import PlainPictures
from menagerie.training.fit import bfloat16, fit
from menagerie.training.model_folder import holds_model, save_model
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
    """Symmetric cross-entropy of `logits` `[n, n]`; where `same[i, j]`, captions i and j describe the same scene, and
    both count as right."""
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
    pictures = PlainPictures.draw(count, damaged=0.45)
    meanings = np.array([hash(scene.caption()) for scene in pictures.scenes])
    model, processor = build()
    tokens = processor.tokenizer(list(pictures.captions), padding="max_length", return_tensors="pt")

    def loss(step: int) -> torch.Tensor:
        rng = np.random.default_rng(step)
        rows = rng.integers(count, size=BATCH)
        pixels = pictures.batch(rows)
        if rng.random() < 0.5:  # as blurred as a decoder's pictures
            pixels = F.interpolate(F.avg_pool2d(pixels, 2), scale_factor=2, mode="bilinear")
        pixels = pixels + 0.05 * torch.randn_like(pixels)
        with bfloat16():
            image, text = features(model, pixels, {k: v[rows] for k, v in tokens.items()})
        scale = model.logit_scale.exp().clamp(max=100)
        same = torch.from_numpy(meanings[rows][:, None] == meanings[rows][None])
        return contrastive_loss(scale * image @ text.T, same)

    fit(model, loss, steps=steps, lr=1e-3, state=out / "training" / "clip.pt", weight_decay=0.05, warmup=200, say=say)
    save_model(model, out / "clip")
    processor.save_pretrained(out / "clip")
    if built := [name for name in ("flow", "aesthetic") if holds_model(out / name)]:
        say(f"{' and '.join(built)} in {out} were trained on another CLIP; train them again, too")
    return model
