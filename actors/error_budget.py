# pyright: strict
"""The error budget: how often in a row the same error may come before an actor gives up."""

from __future__ import annotations

import traceback
from typing import Any


class ErrorBudget:
    """Counts the same error in a row, with no success between.

    Two errors are the same if they have one type and come from one line of code; their texts may differ, as they name
    tickets and numbers.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kind: Any = None
        self._times = 0

    def failed(self, error: BaseException) -> int:
        """Counts an error; returns how often it has come in a row."""
        frames = traceback.extract_tb(error.__traceback__)
        kind = (type(error), frames[-1].filename, frames[-1].lineno) if frames else (type(error),)
        self._times = self._times + 1 if kind == self._kind else 1
        self._kind = kind
        return self._times

    def succeeded(self) -> None:
        """Starts the count afresh."""
        self._kind, self._times = None, 0

    @property
    def exhausted(self) -> bool:
        """Whether the last error has come `limit` times in a row."""
        return self._times >= self.limit
