# pyright: strict
"""Verdict: one judge's result for one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from rewards.arrays import Float32Array
from rewards.boxes import Box

Status = Literal["ok", "abstain", "error"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge's result for one (image, prompt).

    A verdict whose `status` is not `ok` has no `value` and never becomes a number: the panel drops or re-weights
    the sample instead. Boxes are `[x1, y1, x2, y2]` as fractions of the image, heatmaps `[h, w]` float32 in 0..1.
    """

    judge: str
    status: Status
    value: float | None = None
    scores: dict[str, float] = field(default_factory=dict[str, float])
    text: str = ""
    boxes: tuple[tuple[str, Box], ...] = ()
    heatmaps: dict[str, Float32Array] = field(default_factory=dict[str, Float32Array])
    words: tuple[str, ...] = ()
    features: Float32Array | None = None
    version: str = ""
    latency: float = 0.0
    truncated: bool = False
    remembered: bool | None = None
    """whether it comes from the judge's cache; None: the judge has none"""
    asked: bool = True
    """False: the judge does not apply to the prompt, and has not seen the picture"""

    def __post_init__(self) -> None:
        if (self.status == "ok") != (self.value is not None):
            raise ValueError(f"judge {self.judge!r}: status {self.status!r} does not go with value {self.value!r}")
        if self.value is not None and not np.isfinite(self.value):
            raise ValueError(f"judge {self.judge!r}: value {self.value!r} is not finite; return status 'error' instead")


def where_it_applies(applies: Sequence[bool], judge: str, verdicts: Sequence[Verdict] | None) -> list[Verdict]:
    """The verdicts on the pictures to whose prompts a judge applies, and an abstention on each of the others.

    `verdicts` None stands for a judge that applies to none and was not asked."""
    abstention = Verdict(judge, "abstain", text="does not apply to the prompt", asked=False)
    made = verdicts if verdicts is not None else [abstention] * len(applies)
    return [verdict if here else abstention for here, verdict in zip(applies, made, strict=True)]
