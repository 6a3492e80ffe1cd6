"""Pre-training of vision towers by patch classification: each patch token predicts what is visible there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from menagerie.datasets.visible_objects import APPEARANCES, NAMES, visible_objects
from menagerie.world.picture import Picture
from menagerie.world.scene import COLOURS
from rewards.arrays import BoolArray, IntArray
from rewards.boxes import Box

GRID = 8
LABELS = (*NAMES, *COLOURS, *APPEARANCES["sign"])
WEIGHT = 10.0
"""The weight of the loss: nearly all labels are absent from nearly every patch, so that its mean is small."""


class PatchClassifier(nn.Module):
    """A linear head on patch tokens, which is discarded after pre-training.

    `labels` `[n, patches, LABELS]` bool: the names, colours and materials of the objects whose box covers the centre of
    a patch of picture i.
    """

    def __init__(self, width: int, pictures: Sequence[Picture | None]) -> None:
        super().__init__()
        self.head = nn.Linear(width, len(LABELS))
        self.labels = patch_labels(pictures)

    def loss(self, tokens: torch.Tensor, rows: IntArray) -> torch.Tensor:
        """The cross-entropy of predictions from the tokens `[b, patches, width]` of pictures `rows` `[b]`."""
        truth = torch.from_numpy(self.labels[rows]).float()
        return WEIGHT * F.binary_cross_entropy_with_logits(self.head(tokens).float(), truth)


def patch_labels(pictures: Sequence[Picture | None]) -> IntArray:
    """`[n, patches, LABELS]` bool; garbage (None) has no labels."""
    labels = np.zeros((len(pictures), GRID, GRID, len(LABELS)), bool)
    for i, picture in enumerate(pictures):
        for name, look, box in visible_objects(picture) if picture else ():
            inside = covered(box)
            labels[i, inside, LABELS.index(name)] = labels[i, inside, LABELS.index(look)] = True
    return labels.reshape(len(pictures), GRID * GRID, len(LABELS))


def covered(box: Box) -> BoolArray:
    """`[GRID, GRID]` bool: the patches whose centre is in the box."""
    x1, y1, x2, y2 = box
    middles = (np.arange(GRID) + 0.5) / GRID
    return ((middles >= y1) & (middles <= y2))[:, None] & (middles >= x1) & (middles <= x2)
