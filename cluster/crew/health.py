# pyright: strict
"""The health of the rollout actors: who can be reached, who is sick, and when a run cannot go on. Without Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_REST_S = 300.0


class CrewLost(RuntimeError):  # noqa: N818 (the name of the event)
    """No rollout actor can go on; the message says why."""


@dataclass(slots=True)
class _Actor:
    reachable: bool = False
    error: str = ""
    """the kind of error that ended its last life; empty since it has handed in a group"""
    ends: int = 0
    """lives in a row that ended before a group was handed in"""
    resting: float | None = None
    """when its next life begins"""


class CrewHealth:
    """What is known of every actor by its name, which stays the same over its lives. Times are seconds of any clock.

    - An actor that cannot be reached holds up nobody: `lost` and `silent` say once that its tickets are to go back.
    - A sick one, whose life ends with an error, gets another life: the first at once, later ones after a rest that
      doubles up to LONGEST_REST_S, until it has handed in a group.
    - When more than half of all, or the only one, have ended by the same error since they last handed in a group, that
      is no actor's sickness: CrewLost, with the error. So is `stalled_after_s` without a word from anybody.
    """

    def __init__(self, names: Iterable[str], *, silent_after_s: float, stalled_after_s: float, now: float) -> None:
        self._actors = {name: _Actor() for name in names}
        self._silent_after_s, self._stalled_after_s = silent_after_s, stalled_after_s
        self._heard_at = now

    @property
    def reachable(self) -> list[str]:
        """The actors that answered when they were last asked."""
        return [name for name, its in self._actors.items() if its.reachable]

    def heard(self, name: str, now: float, groups: int = 0) -> bool:
        """The actor has answered, and has handed in so many groups in this life; True if it was not reachable."""
        its, self._heard_at = self._actors[name], now
        if groups:
            its.error, its.ends = "", 0
        news, its.reachable = not its.reachable, True
        return news

    def lost(self, name: str) -> bool:
        """The actor cannot be reached; True if that is news."""
        its = self._actors[name]
        news, its.reachable = its.reachable, False
        return news

    def waited(self, name: str, seconds: float) -> bool:
        """The actor has owed an answer for so long; True if that makes it unreachable, and is news."""
        return seconds > self._silent_after_s and self.lost(name)

    def ended(self, name: str, now: float, error: str = "", why: str = "") -> None:
        """Its life is over, by an error of this kind, or (empty) because its process is gone for good.

        Raises CrewLost with `why` when most actors have ended by this kind of error.
        """
        its = self._actors[name]
        its.reachable, its.error = False, error
        its.resting = now + (0.0 if its.ends == 0 else min(2.0**its.ends, LONGEST_REST_S))
        its.ends += 1
        alike = Counter(its.error for its in self._actors.values())[error]
        if error and 2 * alike > len(self._actors):
            those = f"{alike} of {len(self._actors)} rollout actors" if len(self._actors) > 1 else "the rollout actor"
            raise CrewLost(f"{those} ended by the same error: {why}")

    def rested(self, now: float) -> list[str]:
        """The actors whose next life begins now."""
        names = [name for name, its in self._actors.items() if its.resting is not None and its.resting <= now]
        for name in names:
            self._actors[name].resting = None
        return names

    def check(self, now: float) -> None:
        """Raises CrewLost when nobody has answered for `stalled_after_s`."""
        if now - self._heard_at > self._stalled_after_s:
            raise CrewLost(f"no rollout actor has answered for {now - self._heard_at:.0f} s (cluster.stalled_after_s)")
