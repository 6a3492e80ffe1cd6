# pyright: strict
"""The settings of PPO's clip."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from learners.settings import Positive
from rewards.settings.section import Section


class PpoClip(Section):
    """How far one update may move from the policy that it starts from."""

    kind: Literal["proximal", "behaviour"] = "proximal"
    """`proximal` clips around the policy at the start of the update and corrects staleness with a capped weight
    (decoupled PPO); `behaviour` clips around the policy that made the samples, which cuts off most gradients as soon
    as samples are stale."""

    range: Positive = 1e-4
    """ε of the PPO clip. Log-probs are means over latent dimensions, so ratios stay within about 1e-4 of 1."""

    weight_cap: float = Field(default=2.0, ge=1)
    """c in the staleness weight min(c, p_proximal / p_behaviour)."""

    ratio_norm: bool = False
    """Clips the normalised ratio of GRPO-Guard (arXiv 2510.22319), which is around 1 where the plain one is below, and
    equally wide at steps of little and of much noise. The gradient of a step is then σ times the plain one, σ being
    its noise."""

    @model_validator(mode="after")
    def _proximal_is_known(self) -> Self:
        if self.ratio_norm and self.kind == "behaviour":
            raise ValueError("ratio_norm needs the means of the policy it clips around; use kind: proximal")
        return self
