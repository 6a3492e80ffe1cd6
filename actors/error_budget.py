# pyright: strict
"""The error budget: when an error ends a rollout actor, and when it only costs a group."""

from __future__ import annotations

import traceback
from typing import Any

from rewards.errors import JudgeFailed


class RolloutError(RuntimeError):
    """A rollout actor cannot go on: the same error came again and again, or a judge's failure is to end the run."""

    kind = ""
    """the error's type and line of code: the same for actors that fail alike"""
    of_all = False
    """whether it ends the run, whatever the other actors do"""


class ErrorBudget:
    """Counts the same error in a row, with no success between; the `limit`-th ends the actor, and JudgeFailed at once.

    Two errors are the same if they have one type and come from one line of code; their texts may differ, as they name
    tickets and numbers.
    """

    def __init__(self, actor: str, limit: int) -> None:
        self.fatal: RolloutError | None = None
        """what ends the actor; None while it may go on"""
        self._actor, self._limit = actor, limit
        self._kind: Any = None
        self._times = 0

    def failed(self, error: Exception, task: str) -> None:
        """Counts an error; `task` says in words what it stopped."""
        frames = traceback.extract_tb(error.__traceback__)
        kind = (type(error), frames[-1].filename, frames[-1].lineno) if frames else (type(error),)
        self._times = self._times + 1 if kind == self._kind else 1
        self._kind = kind
        if isinstance(error, JudgeFailed):
            self._end(str(error), error)
        elif self._times >= self._limit:
            what = f"{type(error).__name__}: {error}".rstrip(": ")
            self._end(
                f"the same error {self._times} times in a row (actors.same_error_limit), the last for {task}: {what}",
                error,
            )

    def succeeded(self) -> None:
        """Starts the count afresh."""
        self._kind, self._times = None, 0

    def _end(self, why: str, error: Exception) -> None:
        self.fatal = RolloutError(f"{self._actor}: {why}")
        self.fatal.kind, self.fatal.of_all = str(self._kind), isinstance(error, JudgeFailed)
        self.fatal.__cause__ = error
