# pyright: strict
"""The SDE window: stochastic steps inside, deterministic steps outside, and only those inside trained."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from actors.recording import MovingWindow
from learners.settings import Count, TrainingSpec
from rewards.arrays import IntArray
from rewards.settings.section import Section


class SdeWindow(Section):
    """Steps that add noise and are trained, in a window of each trajectory; all others are deterministic: DDIM with
    η = 0, Euler steps of a flow. Which steps a window may have, `timestep_window` says.

    MixGRPO (arXiv 2507.21802) moves the window along the steps; Flow-GRPO-Fast draws its place.
    """

    size: Count = Field(...)
    """steps of the window"""

    moves: Literal["random", "progressive"] = "random"
    """`random` draws its place for each group; `progressive` begins at the first, noisiest step, goes on by one step
    after `every` updates, and begins again after the last place"""

    every: Count = 25
    """`progressive`: updates between two moves"""

    @model_validator(mode="after")
    def _every_is_for_progressive(self) -> Self:
        if "every" in self.model_fields_set and self.moves == "random":
            raise ValueError("every is of moves: progressive; a random window is drawn anew for each group")
        return self

    def recording(self, spec: TrainingSpec, steps: IntArray) -> MovingWindow:
        """What is recorded if `steps` may be trained; raises ValueError if the window is longer."""
        if self.size > len(steps):
            raise ValueError(
                f"learner.algorithm.sde_window.size: {self.size} is more than the {len(steps)} of the "
                f"{spec.sampler.steps} steps that may be trained (timestep_window); make it smaller"
            )
        hold = spec.groups * self.every if self.moves == "progressive" else None
        return MovingWindow(int(steps[0]), int(steps[-1]) + 1, self.size, spec.seed, hold)
