"""A judge that does nothing: what is left is the cost of asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewards.judge import Judge
from rewards.verdict import Verdict


class Empty(Judge):
    def __init__(self, name: str, model: str | None, device: str) -> None:
        self.name, self.version = name, "empty"

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        return [Verdict(self.name, "ok", value=0.0, version=self.version) for _ in prompts]
