"""A judge that takes its time, for tests of how replicas scale and come back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rewards.judge import Judge
from rewards.verdict import Verdict


class Slow(Judge):
    """How bright a picture is, 0..255; each call sleeps for `seconds` while the file `busy` exists (None: always)."""

    def __init__(self, name: str, model: str | None, device: str, seconds: float, busy: str | None = None) -> None:
        self.name, self.version = name, "slow"
        self._seconds, self._busy = seconds, None if busy is None else Path(busy)

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        if self._busy is None or self._busy.exists():
            time.sleep(self._seconds)
        return [Verdict(self.name, "ok", value=float(image.mean()), version=self.version) for image in images]
