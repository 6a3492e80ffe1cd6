"""Cheap statistics of a picture: never a reward, but they show reward hacking early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import field_validator

from rewards.arrays import ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.judges.jpeg import jpeg_kilobytes
from rewards.settings.judge import JudgeConfig
from rewards.verdict import Verdict

DARK = 0.2
LEVELS = 8
JPEG_QUALITY = 95


class ImageStatisticsConfig(JudgeConfig):
    """Dark share, edges, colours, saturation and JPEG size: they show reward hacking early, and are never rewards."""

    kind: str = "image_statistics"
    role: Literal["audit"] = "audit"  # pyright: ignore[reportIncompatibleVariableOverride]
    """always audit"""

    @field_validator("role", mode="before")
    @classmethod
    def _watches(cls, role: object) -> object:
        if role != "audit":
            raise ValueError(
                "image_statistics only watches a run, as a policy can raise every number of it without drawing better; "
                "set role: audit"
            )
        return role


def image_statistics(image: ImageArray) -> dict[str, float]:
    """Five numbers about `image` `[h, w, 3]` uint8 (R, G, B in 0..1 below).

    dark_share      share of pixels whose luma 0.2125 R + 0.7154 G + 0.0721 B is below 0.2; 0..1
    edge_density    share of pixels on an edge of the luma, by Canny with σ = 1 and thresholds 0.1 and 0.2; 0..1
    colour_entropy  -Σ p log2 p over the 8 × 8 × 8 equal cells of the RGB cube, p the cells' shares; bits, 0..9
    saturation      mean of (max - min) / max of R, G, B (0 for black); 0..1
    jpeg_kb         size as a JPEG of quality 95; kB of 1,000 bytes
    """
    # Imported here, as reading a config imports this module.
    from skimage.color import rgb2gray, rgb2hsv
    from skimage.feature import canny

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

    Config = ImageStatisticsConfig

    def __init__(self, name: str, config: ImageStatisticsConfig, device: str = "cpu") -> None:
        self.name = name
        self.version = fingerprint(None, kind="image_statistics", dark=DARK, levels=LEVELS, quality=JPEG_QUALITY)

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        return [self._verdict(image_statistics(image)) for image in images]

    def _verdict(self, scores: dict[str, float]) -> Verdict:
        return Verdict(self.name, "ok", value=scores["colour_entropy"], scores=scores, version=self.version)
