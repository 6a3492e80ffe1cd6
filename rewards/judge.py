"""The interface that every judge implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewards.verdict import Verdict


class Judge(ABC):
    """A frozen model (or formula) that looks at pictures and returns verdicts.

    A judge is a pure function of (image, prompt, judge version): the split, order or size of a batch does not change
    a verdict. `judge` blocks; the serving layer keeps it off the event loop. `version` is a short hash of everything
    that could change a verdict: weights, template, settings.
    """

    name: str
    version: str

    @abstractmethod
    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        """Verdicts for `images` `[n, h, w, 3]` uint8 and their `n` prompts, in order."""
