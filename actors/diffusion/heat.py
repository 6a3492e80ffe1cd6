# pyright: strict
"""The heat of latents: a judge's heatmaps at the size of the latent grid, as they travel with a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from rewards.arrays import Float32Array, FloatArray
from rewards.verdict import Verdict


def latent_heat(verdicts: Sequence[Verdict], heatmap: str, grid: tuple[int, int]) -> Float[Float32Array, "n h w"]:
    """The heatmap of that name of n verdicts, each the mean over its part of the picture in `grid` (h, w) cells.

    A verdict that is not `ok` says nothing about where: its heat is 1 everywhere. Raises ValueError for one that is
    and has no such heatmap, or a heatmap that is not finite or below 0.
    """
    return np.stack([_resized(verdict, heatmap, grid) for verdict in verdicts])


def _resized(verdict: Verdict, heatmap: str, grid: tuple[int, int]) -> Float32Array:
    if verdict.status != "ok":
        return np.ones(grid, np.float32)
    heat = verdict.heatmaps.get(heatmap)
    if heat is None:
        has = ", ".join(verdict.heatmaps) or "none"
        raise ValueError(
            f"learner.algorithm.credit.heatmap: the judge {verdict.judge} gave no heatmap {heatmap!r}; it gave {has}"
        )
    if not np.isfinite(heat).all() or heat.min() < 0:
        raise ValueError(f"the heatmap {heatmap!r} of the judge {verdict.judge} is not finite, or is below 0")
    rows, columns = (_shares(size, cells) for size, cells in zip(heat.shape, grid, strict=True))
    return (rows @ heat.astype(np.float64) @ columns.T).astype(np.float32)


def _shares(size: int, cells: int) -> Float[FloatArray, "cells size"]:
    """What share of each of `cells` equal cells each of `size` pixels covers; its rows add up to 1."""
    edges = np.arange(cells + 1) * size / cells
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return overlap.clip(min=0) * cells / size
