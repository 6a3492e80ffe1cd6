# pyright: strict
"""Who waits for whom: the network passes of a picture on the side of the rollouts and on the learner's."""

from __future__ import annotations

from dataclasses import dataclass

from rewards.text import many

EVEN = 0.9
"""A side that is busy this share of the time waits for nobody worth mentioning."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Passes of a picture to `draw` and to `train` it, a backward counted as one, and the processes that share them.

    An estimate: a pass is taken to cost the same on both sides, and judges to keep up.
    """

    draw: float
    train: float
    actors: int
    workers: int

    @property
    def drawing(self) -> float:
        """Passes of one actor for each picture of the run."""
        return self.draw / self.actors

    @property
    def training(self) -> float:
        """Passes of one worker for each picture of the run."""
        return self.train / self.workers

    @property
    def busy(self) -> float:
        """The share of the time that the side which waits is busy."""
        return min(self.drawing, self.training) / max(self.drawing, self.training)

    def better(self, groups: int) -> Balance:
        """The division of as many processes that takes least time a picture; workers divide the `groups`."""
        total = self.actors + self.workers
        ways = [Balance(self.draw, self.train, total - w, w) for w in range(1, total) if groups % w == 0]
        # Of equals the one that is there already, as any change costs something.
        return min([self, *ways], key=lambda way: max(way.drawing, way.training))

    def in_words(self, groups: int, synchronous: bool) -> str:
        """One sentence or two: the passes, who waits, and what would be better with as many processes."""
        line = f"A picture takes {self.draw:,.4g} network passes to draw and {self.train:,.4g} to train"
        if synchronous:
            return f"{line}; each side waits for the other."
        if self.busy >= EVEN:
            return f"{line}: {self._processes()} are balanced."
        waits, other = ("rollouts", "the learner") if self.drawing < self.training else ("the learner", "the rollouts")
        line += f": with {self._processes()}, {waits} will be busy {self.busy:.0%} of the time, waiting for {other}"
        better = self.better(groups)
        if better is self:
            return f"{line}."
        gain = max(self.drawing, self.training) / max(better.drawing, better.training)
        return f"{line}; {better._processes()} would be {gain:.2f} times as fast."

    def _processes(self) -> str:
        return f"{many(self.actors, 'rollout actor')} and {many(self.workers, 'learner worker')}"
