"""Cheap statistics of a picture: no reward, but where a policy games its judges, they move first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from skimage.color import rgb2gray, rgb2hsv
from skimage.feature import canny

from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.judges.jpeg import jpeg_kilobytes
from rewards.verdict import Verdict

DARK = 0.2
LEVELS = 8
JPEG_QUALITY = 95


def image_statistics(image: np.ndarray) -> dict[str, float]:
    """Five numbers about `image` `[h, w, 3]` uint8 (R, G, B in 0..1 below).

    dark_share      share of pixels whose luma 0.2125 R + 0.7154 G + 0.0721 B is below 0.2; 0..1
    edge_density    share of pixels on an edge of the luma, by Canny with σ = 1 and thresholds 0.1 and 0.2; 0..1
    colour_entropy  -Σ p log2 p over the 8 × 8 × 8 equal cells of the RGB cube, p the cells' shares; bits, 0..9
    saturation      mean of (max - min) / max of R, G, B (0 for black); 0..1
    jpeg_kb         size as a JPEG of quality 95; kB of 1,000 bytes
    """
    luma = rgb2gray(image)
    cells = (image // (256 // LEVELS)).reshape(-1, 3).astype(int) @ (LEVELS**2, LEVELS, 1)
    share = np.bincount(cells) / len(cells)
    share = share[share > 0]
    return {
        "dark_share": float(np.mean(luma < DARK)),
        "edge_density": float(np.mean(canny(luma, sigma=1.0, low_threshold=0.1, high_threshold=0.2))),
        # abs: the entropy of one colour is 0, not -0.
        "colour_entropy": abs(float(np.sum(share * np.log2(share)))),
        "saturation": float(np.mean(rgb2hsv(image)[..., 1])),
        "jpeg_kb": jpeg_kilobytes(image, JPEG_QUALITY),
    }


class ImageStatisticsJudge(Judge):
    """Value: the colour entropy, in bits; `scores` holds all five of `image_statistics`. For role audit only.

    A policy that collapses into dark, flat or garish pictures shows here before a model notices.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = fingerprint(None, kind="image_statistics", dark=DARK, levels=LEVELS, quality=JPEG_QUALITY)

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        return [self._verdict(image_statistics(image)) for image in images]

    def _verdict(self, scores: dict[str, float]) -> Verdict:
        return Verdict(self.name, "ok", value=scores["colour_entropy"], scores=scores, version=self.version)
