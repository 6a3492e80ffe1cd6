"""A judge of a user's own that states its settings in a Config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewards.judge import Judge
from rewards.settings.judge import JudgeConfig
from rewards.verdict import Verdict


class ThresholdConfig(JudgeConfig):
    above: float = 128.0


class Threshold(Judge):
    """Value: 1 where a picture's mean is above the threshold, else 0."""

    Config = ThresholdConfig

    def __init__(self, name: str, config: ThresholdConfig, device: str) -> None:
        self.name, self.version, self.config = name, f"threshold-{config.above}", config

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        bright = (images.mean(axis=(1, 2, 3)) > self.config.above).tolist()
        return [Verdict(self.name, "ok", value=float(value), version=self.version) for value in bright]
