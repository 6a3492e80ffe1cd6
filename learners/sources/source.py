"""The protocol of a source of batches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")
Batch_co = TypeVar("Batch_co", covariant=True)


class TrainingStopped(RuntimeError):  # noqa: N818 (the name of the event)
    """Training cannot go on, and starting the workers again would not help; the message says why."""


class Source(Protocol[Batch_co]):
    """Gives one worker its share of every batch.

    Invariant: the batch of an update is a function of the run and of the version that the update starts from. So a
    learner that was restored asks for its own version, and a source has nothing to save.
    """

    def next_batch(self, version: int) -> Batch_co | None:
        """This worker's share of the batch for the update that starts from `version`; None: the run has been ended.

        Every worker gets None at the same version. Waits, but not for ever; raises TrainingStopped when no batch comes.
        """
        ...


# One question waits no longer, so that a ledger that has died is noticed.
POLL_S = 10.0


def answer(
    ask: Callable[[float], T | None], deadline_s: float, clock: Callable[[], float] = time.monotonic
) -> T | None:
    """The first answer of `ask`, which is given the seconds that it may wait; None if it has none for `deadline_s`."""
    deadline = clock() + deadline_s
    while clock() < deadline:
        if (found := ask(POLL_S)) is not None:
            return found
    return None
