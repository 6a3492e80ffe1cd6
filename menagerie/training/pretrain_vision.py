"""Pre-training of the rich-feedback model's ViT: what is visible where, and where raters mark implausibility."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.rated_pictures import RatedPictures
from menagerie.training.fit import bfloat16
from menagerie.training.pretrain_patches import GRID, PatchClassifier
from rewards.models.rahf import RahfModel

WEIGHT = 10.0
"""The weight of the loss on raters' clicks: nearly all patches have none, so that its mean is small."""


class VisionPretraining(nn.Module):
    """Trains the ViT of a `RahfModel` alone, with two linear heads on its patches that are discarded afterwards.

    `clicked` `[n, patches]` float32 in 0..1: the mean of the raters' implausibility map over each patch.
    """

    def __init__(self, model: RahfModel, rated: RatedPictures) -> None:
        super().__init__()
        self.vit, self.rated = model.vit, rated
        width = model.vit.config.hidden_size
        self.naming, self.head = PatchClassifier(width, rated.pictures), nn.Linear(width, 1)
        n, side = len(rated), rated.maps.shape[-1] // GRID
        blocks = rated.maps[:, 0].reshape(n, GRID, side, GRID, side)
        self.clicked = torch.from_numpy((blocks.mean((2, 4), dtype=np.float32) / 255).reshape(n, GRID * GRID))

    def loss(self, rng: np.random.Generator, batch: int) -> torch.Tensor:
        """The sum of both heads' cross-entropies on `batch` random pictures."""
        rows = rng.integers(len(self.rated), size=batch)
        with bfloat16():
            seen = self.vit(pixel_values=as_tensor(self.rated.pixels[rows])).last_hidden_state[:, 1:]
            logits = self.head(seen)[..., 0].float()
            clicks = F.binary_cross_entropy_with_logits(logits, self.clicked[rows])
            return WEIGHT * clicks + self.naming.loss(seen, rows)
