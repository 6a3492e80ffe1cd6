# pyright: strict
"""The recording: which steps of a group's trajectories are kept, sent and trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rewards.arrays import BoolArray


@dataclass(frozen=True, slots=True)
class Recording:
    """The contiguous steps [start, stop) of T that a rollout records: their log-probs, and the latents around them.

    Actor and learner make the same one from the same settings, so nothing about it has to be sent. An empty span at the
    end, start = stop = T, keeps the clean latents alone.
    """

    still_outside: ClassVar[bool] = False
    """whether the steps that are not recorded are deterministic"""

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


@dataclass(frozen=True, slots=True)
class MovingWindow(Recording):
    """`size` steps somewhere in [start, stop), which alone add noise.

    seed  the run's; the place of the window follows from it and a group's index
    hold  groups in index order for which the window stays where it is; then it goes on by one step, and after the last
          place begins again. None: it is drawn for each group
    """

    still_outside: ClassVar[bool] = True

    size: int
    seed: int
    hold: int | None

    def __len__(self) -> int:
        return self.size

    def span(self, index: int) -> range:
        places = self.stop - self.start - self.size + 1
        if self.hold is None:
            place = int(np.random.default_rng((self.seed, index, PLACE)).integers(places))
        else:
            place = index // self.hold % places
        return range(self.start + place, self.start + place + self.size)


PLACE = 0x5DE
"""Keeps the draws of a window's place apart from others that follow from the same seed and index."""

Recorder = Callable[[BoolArray], Recording]
"""Which of the sampler's steps add noise, `[T]` → what is recorded of trajectories. Picklable: it travels to actors."""
