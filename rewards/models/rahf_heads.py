"""The heads of RAHF (arXiv 2312.10240, section 4): a map of pixels, and a score, from a grid of image tokens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

EMPTY = -4.0
"""The logit of a map before training: most pixels of most maps are 0, and a head that has to unlearn a half first may
learn it so well that no pixel ever lights up again."""


class ConvNorm(nn.Module):
    """3×3 convolution, LayerNorm over channels, ReLU."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, 3, padding=1)
        self.norm = nn.LayerNorm(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(self.conv(x).movedim(1, -1)).movedim(-1, 1))


class HeatmapHead(nn.Module):
    """Two convolutions, then deconvolutions that double the size, each with two read-out convolutions; sigmoid.

    `[n, width, h, w]` in, `[n, 2^d h, 2^d w]` in 0..1 out, for d deconvolutions (four in the paper).
    """

    def __init__(self, width: int, convs: Sequence[int], deconvs: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvNorm(a, b) for a, b in pairwise([width, *convs])]
        for a, b in pairwise([convs[-1], *deconvs]):
            layers += [nn.ConvTranspose2d(a, b, 2, stride=2), ConvNorm(b, b), ConvNorm(b, b)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(deconvs[-1], 1, 1))

        self.start()

    def start(self) -> None:
        """Weights as before training."""
        _restart(self)
        nn.init.constant_(self.layers[-1].bias, EMPTY)  # pyright: ignore[reportArgumentType]

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        return self.layers(grid)[:, 0].sigmoid()


class ScoreHead(nn.Module):
    """Convolutions (four in the paper), then dense layers over the whole grid; sigmoid.

    `[n, width, h, w]` in, `[n]` in 0..1 out.
    """

    def __init__(self, width: int, cells: int, convs: Sequence[int], dense: Sequence[int]) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(ConvNorm(a, b) for a, b in pairwise([width, *convs])))
        hidden = [layer for a, b in pairwise([convs[-1] * cells, *dense]) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.dense = nn.Sequential(*hidden, nn.Linear(dense[-1], 1))

    def start(self) -> None:
        """Weights as before training."""
        _restart(self)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        return self.dense(self.convs(grid).flatten(1))[:, 0].sigmoid()


def _restart(head: nn.Module) -> None:
    for layer in head.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.LayerNorm):
            layer.reset_parameters()
