# pyright: strict
"""Outcomes: how calls to rollout actors end.

Whoever asks an actor for something sees three ends alike, wherever Ray's own errors come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rewards.errors import last_line


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call to an actor ended: with an `answer`, with the `error` that the actor raised, or (`lost`) because the
    actor is gone."""

    answer: Any = None
    error: BaseException | None = None
    lost: bool = False

    @property
    def why(self) -> str:
        """The error in one line."""
        return last_line(self.error)
