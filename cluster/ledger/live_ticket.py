# pyright: strict
"""A live ticket: one that is neither trained nor dropped yet, and what has happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from actors.ticket import Ticket


class LagViolation(RuntimeError):  # noqa: N818 (the name of the event, as logs and issues call it)
    """A batch held a group older than the run's max_lag allows: an actor or the learner broke the protocol."""


class StuckTicket(RuntimeError):  # noqa: N818
    """One prompt group failed so often that waiting for it any longer would be waiting for ever."""


class State(StrEnum):
    """Where a live ticket stands."""

    WAITING = "waiting"
    ROLLING = "rolling"
    JUDGING = "judging"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Trained:
    """One group that an update has used: its ticket, its lag in updates, and the seconds it spent in each state."""

    ticket: Ticket
    lag: int
    seconds: Mapping[State, float]
    summary: Mapping[str, Any]


@dataclass(slots=True)
class LiveTicket:
    """The ticket, when it entered each state (`marks`), who has it, and its judged group once that is there.

    `deadline` is when news from the actor is overdue; infinite while no actor has the ticket. `payload`, the policy
    `version` that made it, and `summary` come with the judged group.
    """

    ticket: Ticket
    marks: dict[State, float]
    state: State = State.WAITING
    actor: str = ""
    deadline: float = float("inf")
    payload: Any = None
    version: int | None = None
    summary: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def held_by(self, actor: str | None) -> bool:
        """Whether `actor` (None: any actor) is rolling it out or having it judged."""
        return self.state in (State.ROLLING, State.JUDGING) and actor in (None, self.actor)

    def enter(self, state: State, now: float, deadline: float = float("inf")) -> None:
        """Moves it into `state`."""
        self.state, self.deadline = state, deadline
        self.marks[state] = now

    def trained(self, published: int, now: float) -> Trained:
        """What is left of it when an update has used its group; `published` is the version before that update."""
        assert self.version is not None, "a ready group has a version"
        ends = [*list(self.marks.values())[1:], now]
        seconds = {state: end - start for (state, start), end in zip(self.marks.items(), ends, strict=True)}
        return Trained(self.ticket, published - self.version, seconds, self.summary)


def prompt_and_seeds(ticket: Ticket, *, with_seeds: bool = True) -> dict[str, Any]:
    """What a later ticket of the same index is made like; without seeds it draws new ones."""
    seeds = {"seeds": list(ticket.seeds)} if with_seeds else {}
    return {"prompt": ticket.prompt, "metadata": dict(ticket.metadata), **seeds}
