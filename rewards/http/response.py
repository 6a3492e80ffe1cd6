# pyright: strict
"""Verdicts as JSON, for the HTTP API and for `salon judge --json`."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from PIL import Image
from pydantic import BaseModel

from rewards.arrays import Float32Array
from rewards.serving.scoring import Judged
from rewards.verdict import Verdict


class Box(BaseModel):
    """A labelled rectangle; corners as fractions of width and height, 0..1 from the top left."""

    label: str
    x1: float
    y1: float
    x2: float
    y2: float


class VerdictResponse(BaseModel):
    """One judge on one picture. `value` is null unless `status` is ok; `text` says why not."""

    judge: str
    status: Literal["ok", "abstain", "error"]
    value: float | None = None
    scores: dict[str, float | None] = {}
    text: str = ""
    boxes: list[Box] = []
    heatmaps: dict[str, str] = {}
    """name → a grey PNG in base64, white where the judge sees it most; of the judge's size, not the picture's"""
    words: list[str] = []
    truncated: bool = False
    version: str = ""
    latency_s: float = 0.0
    """seconds of the model call; 0 if there was none"""

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """Never raises: a verdict of a user's own judge that JSON can't hold becomes an error."""
        try:
            return cls(
                judge=verdict.judge,
                status=verdict.status,
                value=None if verdict.value is None else float(verdict.value),
                scores={clean(key): _finite(score) for key, score in verdict.scores.items()},
                text=clean(verdict.text),
                boxes=[_box(label, corners) for label, corners in verdict.boxes],
                heatmaps={clean(key): heatmap_png(heatmap) for key, heatmap in verdict.heatmaps.items()},
                words=[clean(word) for word in verdict.words],
                truncated=verdict.truncated,
                version=clean(verdict.version),
                latency_s=verdict.latency,
            )
        except Exception as error:
            reason = f"its verdict cannot be written as JSON ({type(error).__name__}: {error})"
            return cls(judge=verdict.judge, status="error", text=clean(reason))


class PictureResponse(BaseModel):
    """One picture: all judges' verdicts, and the reward as the curves of a run show it (null: unscored).

    A judge whose values are compared with others in a run (`normalise: running`, for example) counts on its own scale.
    """

    prompt: str
    width: int
    height: int
    reward: float | None
    verdicts: list[VerdictResponse]

    @classmethod
    def of(cls, judged: Judged) -> Self:
        height, width = judged.image.shape[:2]
        verdicts = [VerdictResponse.of(verdict) for verdict in judged.verdicts.values()]
        return cls(prompt=clean(judged.prompt), width=width, height=height, reward=judged.reward, verdicts=verdicts)


class JuryResponse(BaseModel):
    """The verdicts and rewards of a request's pictures, in their order."""

    pictures: list[PictureResponse]

    @classmethod
    def of(cls, judged: Sequence[Judged]) -> Self:
        """Raises nothing, as its parts don't."""
        return cls(pictures=[PictureResponse.of(picture) for picture in judged])


def heatmap_png(heatmap: Float32Array) -> str:
    """A heatmap `[h, w]` in 0..1 as a grey PNG in base64."""
    file = io.BytesIO()
    grey = np.clip(np.nan_to_num(np.asarray(heatmap, np.float64)), 0, 1) * 255
    Image.fromarray(np.rint(grey).astype(np.uint8), "L").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def clean(text: str) -> str:
    """`text` without what UTF-8 cannot write (halves of surrogate pairs)."""
    return str(text).encode("utf-8", "replace").decode()


def _box(label: str, corners: tuple[float, float, float, float]) -> Box:
    x1, y1, x2, y2 = (float(corner) for corner in corners)
    if not all(math.isfinite(corner) for corner in (x1, y1, x2, y2)):
        raise ValueError(f"box {label!r} has a corner that is not finite")
    return Box(label=clean(label), x1=x1, y1=y1, x2=x2, y2=y2)


def _finite(score: float) -> float | None:
    return float(score) if math.isfinite(score) else None
