# pyright: strict
"""Picture shares: which actor draws which pictures of an evaluation. A state machine without Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from cluster.crew.health import CrewLost

# Parts that an actor has at a time: while one is judged, the next is drawn.
DEPTH = 2


@dataclass(slots=True)
class _Part:
    where: slice
    failed_at: list[str] = field(default_factory=list[str])
    lost: int = 0
    held: bool = False
    answer: Any = None


class PictureShares:
    """The pictures of one evaluation in parts, each drawn as one batch; a part that an actor loses goes to another.

    How they are cut depends on the settings alone (`cut`), never on who draws them: a batch of another size may have
    other last bits. `errors` and `losses` are how often one part may fail, and how often the actor that has it may die.
    """

    def __init__(self, parts: Sequence[slice], *, errors: int, losses: int) -> None:
        self._parts = [_Part(where) for where in parts]
        self._errors, self._losses = errors, losses

    def hand_out(self, actors: Sequence[str], busy: Sequence[str]) -> list[tuple[str, int]]:
        """(actor, part) for what can begin now, up to DEPTH parts an actor; `busy` has an actor's name once for each
        part that it draws. A part that has failed somewhere is tried elsewhere first."""
        given: list[tuple[str, int]] = []
        load = {actor: busy.count(actor) for actor in actors}
        for number, part in enumerate(self._parts):
            free = [actor for actor in actors if load[actor] < DEPTH]
            if part.held or part.answer is not None or not free:
                continue
            actor = min(free, key=lambda actor: (part.failed_at.count(actor), load[actor]))
            load[actor] += 1
            part.held = True
            given.append((actor, number))
        return given

    def where(self, part: int) -> slice:
        """Which pictures the part has."""
        return self._parts[part].where

    def answered(self, part: int, answer: Any) -> None:
        """The part is done."""
        self._parts[part].answer = answer

    def lost(self, part: int, why: str) -> None:
        """The actor that had the part is gone."""
        its = self._parts[part]
        its.held, its.lost = False, its.lost + 1
        if its.lost >= self._losses:
            raise CrewLost(f"the evaluation failed: {its.lost} actors died over the same pictures, the last: {why}")

    def failed(self, part: int, actor: str, why: str) -> None:
        """The actor lives, and could not do it."""
        its = self._parts[part]
        its.held = False
        its.failed_at.append(actor)
        if len(its.failed_at) >= self._errors:
            raise CrewLost(f"the evaluation failed {len(its.failed_at)} times, the last at {actor}: {why}")

    @property
    def done(self) -> bool:
        """Whether every part is answered."""
        return all(part.answer is not None for part in self._parts)

    @property
    def answers(self) -> list[Any]:
        """The answers, in the order of the pictures."""
        return [part.answer for part in self._parts]


def cut(pictures: int, shares: int, batch: int) -> list[slice]:
    """`pictures` in `shares` of about the same size, each in parts of `batch` pictures at most."""
    bounds = np.linspace(0, pictures, shares + 1).astype(int).tolist()
    return [
        slice(start, min(start + batch, end)) for begin, end in pairwise(bounds) for start in range(begin, end, batch)
    ]
