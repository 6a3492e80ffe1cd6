"""Judges of a user's own that mark where they see something, and one that says what JSON cannot hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewards.judge import Judge
from rewards.verdict import Verdict


class Marks(Judge):
    """A box around the left half, and a heatmap that is hottest at the bottom right."""

    def __init__(self, name: str, model: str | None, device: str) -> None:
        self.name, self.version = name, "marks"

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        return [self.verdict() for _ in images]

    def verdict(self) -> Verdict:
        return Verdict(
            self.name,
            "ok",
            value=1.0,
            scores={"broken": math.nan, "whole": 1.0},
            text="something on the left",
            boxes=(("left half", (0.0, 0.0, 0.5, 1.0)),),
            heatmaps={"artifact": np.array([[-1.0, math.nan], [0.5, 2.0]], np.float32)},
            words=("cat", "\ud800"),
            version=self.version,
        )


class Mumbles(Marks):
    def verdict(self) -> Verdict:
        return Verdict(self.name, "ok", value=1.0, boxes=(("nowhere", (0.0, 0.0, math.inf, 1.0)),))
