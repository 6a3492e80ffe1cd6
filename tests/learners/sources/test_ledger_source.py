"""The ledger's batches as a learner's worker gets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from learners.sources.ledger import LedgerSource
from learners.sources.source import TrainingStopped


class FakeLedger:
    """Answers with `answers` in turn, each after ten seconds of its clock."""

    def __init__(self, answers: Sequence[Any] = ()) -> None:
        self.answers, self.now = list(answers), 0.0
        self.asked: list[tuple[int, int, int]] = []

    def clock(self) -> float:
        return self.now

    def batch(self, rank: int, world: int, version: int, wait_s: float) -> Any:
        self.asked.append((rank, world, version))
        self.now += wait_s
        return self.answers.pop(0) if self.answers else None

    def begin(self, version: int, wait_s: float) -> bool | None:
        raise AssertionError(f"update {version} has a batch, and is not begun without one")

    def counts(self) -> dict[str, Any]:
        return {"rolling": 3}


def source(ledger: FakeLedger, deadline_s: float = 30.0) -> LedgerSource:
    return LedgerSource(ledger, rank=1, world=2, deadline_s=deadline_s, clock=ledger.clock)


def test_a_worker_asks_for_its_share_until_the_batch_is_full() -> None:
    ledger = FakeLedger([None, ["a group"]])
    assert source(ledger).next_batch(7) == ["a group"]
    assert ledger.asked == [(1, 2, 7), (1, 2, 7)]


def test_a_run_that_was_ended_has_no_further_batch() -> None:
    assert source(FakeLedger([[]])).next_batch(3) is None


def test_a_batch_that_does_not_come_ends_training_and_says_what_the_ledger_has() -> None:
    ledger = FakeLedger()
    match = r"no full batch for update 4 within learner\.batch_deadline_s 30; the ledger counts \{'rolling': 3\}"
    with pytest.raises(TrainingStopped, match=match):
        source(ledger).next_batch(3)
    assert len(ledger.asked) == 3
