"""Naming: a lesson for vision towers that begin from nothing, in which each patch learns to say what stands there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from menagerie.datasets.sightings import LOOKS, NAMES, sightings
from menagerie.world.picture import Picture
from menagerie.world.scene import COLOURS
from rewards.models.boxes import Box

GRID = 8
LABELS = (*NAMES, *COLOURS, *LOOKS["sign"])
WEIGHT = 10.0
"""Nine of ten labels are absent from nearly every patch, so their mean loss is small."""


class Naming(nn.Module):
    """A linear head on patch tokens, which is thrown away when the tower has learnt.

    `labels` `[n, patches, LABELS]` bool: names and looks of all whose box covers the middle of a patch of picture i.
    """

    def __init__(self, width: int, pictures: Sequence[Picture | None]) -> None:
        super().__init__()
        self.head = nn.Linear(width, len(LABELS))
        self.labels = patch_labels(pictures)

    def loss(self, tokens: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
        """Cross-entropy of what the tokens `[b, patches, width]` of pictures `rows` `[b]` say."""
        truth = torch.from_numpy(self.labels[rows]).float()
        return WEIGHT * F.binary_cross_entropy_with_logits(self.head(tokens).float(), truth)


def patch_labels(pictures: Sequence[Picture | None]) -> np.ndarray:
    """`[n, patches, LABELS]` bool; nothing stands in garbage (None)."""
    labels = np.zeros((len(pictures), GRID, GRID, len(LABELS)), bool)
    for i, picture in enumerate(pictures):
        for name, look, box in sightings(picture) if picture else ():
            inside = covered(box)
            labels[i, inside, LABELS.index(name)] = labels[i, inside, LABELS.index(look)] = True
    return labels.reshape(len(pictures), GRID * GRID, len(LABELS))


def covered(box: Box) -> np.ndarray:
    """`[GRID, GRID]` bool: the patches whose middle lies in the box."""
    x1, y1, x2, y2 = box
    middles = (np.arange(GRID) + 0.5) / GRID
    return ((middles >= y1) & (middles <= y2))[:, None] & (middles >= x1) & (middles <= x2)
