# pyright: strict
"""Who waited for whom in a run, by its own seconds, and which settings would divide its work better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cluster.config.balance import Balance
from cluster.tracking.history import RunHistory, is_number

WORTH = 1.1
"""A change that makes a run less than this many times as fast is not proposed."""


@dataclass(frozen=True, slots=True)
class MeasuredBalance:
    """Seconds of an update: `wall`, those that drawing took all `actors`, and those that training took all `workers`.

    groups    that an update has, which workers divide
    cores     that all of them share; None: each has a device of its own
    lag       whether drawing may go on while the learner trains
    reserved  CPUs that Ray reserves for an actor, and for a worker
    """

    wall: float
    drawing: float
    training: float
    actors: int
    workers: int
    groups: int
    cores: int | None
    lag: bool
    reserved: tuple[float, float]

    @classmethod
    def of(cls, history: RunHistory, config: Mapping[str, Any], cores: int) -> Self | None:
        """That of the later half of a run's updates; None where it has too few. `config` is as it was stored, `cores`
        are those of this machine."""
        keys = ("seconds/wall", "seconds/rolling", "seconds/training")
        known = [row for row in history.updates if all(is_number(row.get(key)) for key in keys)]
        rows = known[len(known) // 2 :]
        if len(known) < 4:
            return None
        wall, drawing, training = (sum(float(row[key]) for row in rows) / len(rows) for key in keys)
        sections: list[Mapping[str, Any]] = [config.get(name) or {} for name in ("actors", "learner", "cluster")]
        actors, learner, cluster = sections
        shared = not (cluster.get("address") or actors.get("num_gpus") or learner.get("num_gpus"))
        workers = int(learner.get("workers", 1))
        return cls(
            wall,
            drawing,
            training * workers,
            int(actors.get("count", 1)),
            workers,
            int(config.get("groups_per_update", workers)),
            cores if shared else None,
            bool(config.get("max_lag", 1)),
            (float(actors.get("num_cpus", 1.0)), float(learner.get("num_cpus", 0.5))),
        )

    @property
    def in_turn(self) -> float:
        """Seconds of an update whose drawing ends before its training begins."""
        return self.drawing / self.actors + self.training / self.workers

    @property
    def bound(self) -> float:
        """How many times as fast as `in_turn` an update may be, if the side that takes longer never waits."""
        return self.in_turn / max(self.drawing / self.actors, self.training / self.workers)

    def better(self) -> tuple[int, int, float]:
        """Actors, workers, and how many times as fast they would be at most."""
        if self.cores is None:
            way = Balance(self.drawing, self.training, self.actors, self.workers).better(self.groups)
            return way.actors, way.workers, self.wall / max(way.drawing, way.training)
        work = self.drawing + self.training
        share = self.drawing / work if self.lag else 1.0
        actors = max(self.actors, math.ceil(self.cores * share))
        wanted = math.ceil(self.cores * (1 - share if self.lag else 1.0))
        workers = max(self.workers, *(n for n in range(1, wanted + 1) if self.groups % n == 0))
        return actors, workers, self.wall * self.cores / work

    def in_words(self) -> str:
        """One sentence or two: the shares of the time, what overlapping gained, and what would be faster."""
        drawing, training = (
            min(1.0, seconds / n / self.wall)
            for seconds, n in ((self.drawing, self.actors), (self.training, self.workers))
        )
        line = f"of {self.wall:.2g} s an update rollouts waited {1 - drawing:.0%}, the learner {1 - training:.0%}"
        if self.lag:
            gained = self.in_turn / self.wall
            line += f"; overlapping made it {gained:.2f} times as fast as taking turns, {self.bound:.2f} at most"
        actors, workers, gain = self.better()
        said = " and ".join(
            [
                *self._change("actors", "count", self.actors, actors, self.reserved[0]),
                *self._change("learner", "workers", self.workers, workers, self.reserved[1]),
            ]
        )
        return f"{line}; {said} would be up to {gain:.2g} times as fast" if said and gain >= WORTH else line

    def _change(self, part: str, key: str, old: int, new: int, reserved: float) -> list[str]:
        """The setting to change, if any; processes that share the cores share what the former ones had reserved."""
        cpus = f" ({part}.num_cpus: {reserved * old / new:.2g})" if self.cores is not None else ""
        return [f"{part}.{key}: {new}{cpus}"] if new != old else []
