"""Looking: the first lesson of the rich-feedback model, in which its vision tower learns what stands where, and where a
picture is implausible."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.rated import Rated
from menagerie.training.fit import bfloat16
from menagerie.training.pretrain_patches import GRID, Naming
from rewards.models.rahf import RahfModel

WEIGHT = 10.0
"""Of the raters' clicks: nearly all patches have none, so their mean loss is small."""


class Looking(nn.Module):
    """Trains the ViT of a `RahfModel`, alone, with two linear heads on its patches that are thrown away afterwards.

    `clicked` `[n, patches]` float32 in 0..1: the mean of the raters' implausibility map over each patch.
    """

    def __init__(self, model: RahfModel, rated: Rated) -> None:
        super().__init__()
        self.vit, self.rated = model.vit, rated
        width = model.vit.config.hidden_size
        self.naming, self.head = Naming(width, rated.pictures), nn.Linear(width, 1)
        n, side = len(rated), rated.maps.shape[-1] // GRID
        blocks = rated.maps[:, 0].reshape(n, GRID, side, GRID, side)
        self.clicked = torch.from_numpy((blocks.mean((2, 4), dtype=np.float32) / 255).reshape(n, GRID * GRID))

    def loss(self, rng: np.random.Generator, batch: int) -> torch.Tensor:
        """Cross-entropy of what the patches of `batch` pictures say of themselves."""
        rows = rng.integers(len(self.rated), size=batch)
        with bfloat16():
            seen = self.vit(pixel_values=as_tensor(self.rated.pixels[rows])).last_hidden_state[:, 1:]
            said = self.head(seen)[..., 0].float()
            clicks = F.binary_cross_entropy_with_logits(said, self.clicked[rows])
            return WEIGHT * clicks + self.naming.loss(seen, rows)
