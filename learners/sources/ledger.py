"""The online source: judged groups of the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from actors.trajectory import JudgedGroup
from learners.sources.source import TrainingStopped, answer


class BatchLedger(Protocol):
    """The ledger as a learner's worker sees it (see cluster/ledger); the calls block."""

    def batch(self, rank: int, world: int, version: int, wait_s: float) -> list[JudgedGroup] | None:
        """This rank's groups (indices `rank::world`) of the update that starts from `version`.

        None after `wait_s` seconds without a full batch, empty when there is no further update. Raises TrainingStopped
        if the ledger refuses every rank alike: too old a group, or a ticket that fails again and again.
        """
        ...

    def begin(self, version: int, wait_s: float) -> bool | None:
        """Whether there is an update after `version`, for a worker whose batches come from elsewhere; all workers get
        the same answer. None after `wait_s` seconds in which `version` was not published."""
        ...

    def counts(self) -> Mapping[str, Any]:
        """How many tickets are in which state."""
        ...


class LedgerSource:
    """One worker's judged groups, in index order, as rollout actors complete them.

    `deadline_s` bounds the wait for one batch (`learner.batch_deadline_s`).
    """

    def __init__(
        self,
        ledger: BatchLedger,
        rank: int,
        world: int,
        deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._rank, self._world = ledger, rank, world
        self._deadline_s, self._clock = deadline_s, clock

    def next_batch(self, version: int) -> list[JudgedGroup] | None:
        """See `Source.next_batch`."""

        def ask(wait_s: float) -> list[JudgedGroup] | None:
            return self._ledger.batch(self._rank, self._world, version, wait_s)

        groups = answer(ask, self._deadline_s, self._clock)
        if groups is not None:
            return groups or None
        raise TrainingStopped(
            f"no full batch for update {version + 1} within learner.batch_deadline_s {self._deadline_s:g}; the ledger "
            f"counts {self._ledger.counts()}. Look for dead rollout actors or judges, or raise the deadline"
        )
