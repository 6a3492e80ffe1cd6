# pyright: strict
"""Rich credit: a judge's heatmap says which latents of a picture answer for its reward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from rewards.arrays import Float32Array
from rewards.config import RewardsConfig
from rewards.settings.section import Section
from rewards.sub_scores import declared_heatmaps


class Credit(Section):
    """Where in a picture its advantage counts: more where a judge's heatmap is hot.

    Rich Human Feedback (arXiv 2312.10240, section 6) leaves learning from its heatmaps to others.
    """

    judge: str
    """the judge in `rewards.judges` whose heatmap it is, of any role"""

    heatmap: str
    """which of its heatmaps: `implausibility` or `misalignment` of rich_feedback"""

    even: Annotated[float, Field(ge=0, le=1)] = 0.5
    """share of the credit that is spread evenly whatever the heatmap says; 1 is plain DDPO"""

    def problems(self, rewards: RewardsConfig) -> Iterator[str]:
        """Why this jury has no such heatmap; each line begins with the key to blame."""
        key = "learner.algorithm.credit"
        if (judge := rewards.judges.get(self.judge)) is None:
            yield f"{key}.judge: there is no judge {self.judge!r}; rewards.judges has {', '.join(rewards.judges)}"
        elif judge.import_path is None and self.heatmap not in (known := declared_heatmaps(judge.kind)):
            has = f"it has {', '.join(known)}" if known else "it has none; rich_feedback has"
            yield f"{key}.heatmap: a judge of kind {judge.kind} gives no heatmap {self.heatmap!r}; {has}"

    def weights(self, heat: Float[Float32Array, "n h w"]) -> Float[Float32Array, "n h w"]:
        """M of n pictures, each with mean 1, from the heat of their latents: even + (1 - even) · heat / mean heat.

        A picture without any heat, which has nothing to blame, has M = 1, as has one of the same heat everywhere.
        """
        mean = heat.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        flat = heat.max(axis=(1, 2), keepdims=True) == heat.min(axis=(1, 2), keepdims=True)
        share = np.where(flat, 1.0, heat / np.where(flat, 1.0, mean))
        return (self.even + (1 - self.even) * share).astype(np.float32)
