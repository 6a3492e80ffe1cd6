# pyright: strict
"""The recording: which steps of a group's trajectories are kept, sent and trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rewards.arrays import BoolArray


@dataclass(frozen=True, slots=True)
class Recording:
    """The contiguous steps [start, stop) of T that a rollout records: their log-probs, and the latents around them.

    Actor and learner make the same one from the same settings, so nothing about it has to be sent. An empty span at the
    end, start = stop = T, keeps the clean latents alone.
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop:
            raise ValueError(f"steps {self.start} to {self.stop} are no span of a trajectory")

    def __len__(self) -> int:
        """How many steps are recorded of each trajectory."""
        return self.stop - self.start

    def span(self, index: int) -> range:
        """The recorded steps of the group at `index`, whoever draws it and however often."""
        del index
        return range(self.start, self.stop)

    @classmethod
    def whole(cls, stochastic: BoolArray) -> Recording:
        """Every step."""
        return cls(0, len(stochastic))

    @classmethod
    def clean(cls, stochastic: BoolArray) -> Recording:
        """No step: the clean latents alone."""
        return cls(len(stochastic), len(stochastic))


Recorder = Callable[[BoolArray], Recording]
"""Which of the sampler's steps add noise, `[T]` → what is recorded of trajectories. Picklable: it travels to actors."""
