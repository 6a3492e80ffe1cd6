"""The recipe of the aesthetic predictor: the layers of the LAION predictor on embeddings of the shipped CLIP.

It is trained on the aesthetics of `menagerie.labels.quality`, on a scale from 1 to 10 as in the public predictor.
Colourfulness and contrast can be predicted linearly from CLIP's normalised embedding; plausibility, which CLIP was not
trained on, cannot. So this predictor has GELU between its layers, where the public one has nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import nn
from torch.nn import functional as F

from menagerie.datasets.rated_pictures import partly_decoded
from menagerie.labels.truth import Truth
from menagerie.training.fit import fit
from menagerie.training.model_folder import load_vae, require_model, save_model
from menagerie.world.picture import sample
from rewards.arrays import Float32Array, ImageArray
from rewards.models.aesthetic_model import AestheticModel, AestheticModelConfig
from rewards.models.clip_encoder import ClipEncoder

BATCH, SEED = 256, 41
FIRST = 60_000_000
DAMAGED = 0.45
LOWEST, HIGHEST = 1, 10


def rated_drawings(count: int, first: int, vae: AutoencoderTiny) -> tuple[ImageArray, Float32Array]:
    """Pictures `first … first + count - 1` of the plain world, a share of them as the policy's decoder shows them, and
    the aesthetics `[n]` of the drawings, from 1 to 10."""
    pictures = [sample(first + i, damaged=DAMAGED) for i in range(count)]
    truth = [Truth.of(p, random.Random(i), form="plain").quality.aesthetics for i, p in enumerate(pictures)]
    rated = LOWEST + (HIGHEST - LOWEST) * np.array(truth, np.float32)
    return partly_decoded(np.stack([p.pixels for p in pictures]), vae, first), rated


def build(width: int) -> AestheticModel:
    torch.manual_seed(SEED)
    model = AestheticModel(AestheticModelConfig([width, 256, 256, 64, 1], activation="gelu"))
    for layer in model.layers:
        nn.init.xavier_uniform_(layer.weight)  # type: ignore[union-attr]
    with torch.no_grad():
        model.layers[0].weight.mul_(width**0.5)  # type: ignore[operator,union-attr]  # embeddings have length 1
        model.layers[-1].bias.fill_((LOWEST + HIGHEST) / 2)  # type: ignore[operator,union-attr]
    return model


def train(out: Path, steps: int = 2500, count: int = 24_000, say: Callable[[str], None] = print) -> AestheticModel:
    encoder = require_model(out, "clip")
    pixels, truth = rated_drawings(count, FIRST, load_vae(out))
    clip = ClipEncoder(str(encoder))
    embeddings, ratings = clip.pictures(pixels), torch.from_numpy(truth)
    model = build(clip.width)

    def loss(step: int) -> torch.Tensor:
        rows = np.random.default_rng((SEED, step)).integers(count, size=BATCH)
        return F.mse_loss(model(embeddings[rows]), ratings[rows])

    state = out / "training" / "aesthetic.pt"
    fit(model.train(), loss, steps=steps, lr=1e-3, state=state, weight_decay=0.1, every=500, say=say)
    save_model(model.eval(), out / "aesthetic")
    return model
