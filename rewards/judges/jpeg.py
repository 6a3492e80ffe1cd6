# pyright: strict
"""The JPEG judge: DDPO's own (in)compressibility reward, exact and without a model."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from PIL import Image
from pydantic import Field

from rewards.arrays import ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.settings.judge import JudgeConfig
from rewards.verdict import Verdict


class JpegConfig(JudgeConfig):
    """DDPO's (in)compressibility: the size of the picture as a JPEG."""

    kind: str = "jpeg"
    quality: int = Field(default=95, ge=1, le=100)
    """quality setting of the encoder"""
    prefer: Literal["small", "large"] = "small"
    """small is DDPO's compressibility (value = -kB), large its incompressibility (value = +kB)"""


def jpeg_kilobytes(image: ImageArray, quality: int) -> float:
    """Size of `image` `[h, w, 3]` uint8 as a JPEG, in kB of 1,000 bytes."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.tell() / 1000


class JpegJudge(Judge):
    """Value: minus (prefer small) or plus (prefer large) the size of the picture as a JPEG, in kB of 1,000 bytes.

    Source: Black et al., Training Diffusion Models with Reinforcement Learning (arXiv 2305.13301), section 5.1, which
    uses quality 95.
    """

    Config = JpegConfig

    def __init__(self, name: str, config: JpegConfig, device: str = "cpu") -> None:
        self.name = name
        self.version = fingerprint(None, kind="jpeg", quality=config.quality, prefer=config.prefer)
        self._quality = config.quality
        self._sign = -1.0 if config.prefer == "small" else 1.0

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        return [self._verdict(image) for image in images]

    def _verdict(self, image: ImageArray) -> Verdict:
        size = jpeg_kilobytes(image, self._quality)
        return Verdict(self.name, "ok", value=self._sign * size, scores={"kB": size}, version=self.version)
