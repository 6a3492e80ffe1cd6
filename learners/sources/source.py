"""The protocol of a source of batches."""

from __future__ import annotations

from typing import Protocol, TypeVar

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
