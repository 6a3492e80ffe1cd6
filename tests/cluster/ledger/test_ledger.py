# pyright: strict
"""The ledger, rule by rule."""

from __future__ import annotations

import json

import pytest
from ledgers import finish, make_ledger, roll_all

from actors.ticket import Ticket
from cluster.ledger.ledger import LagViolation, StuckTicket
from cluster.ledger.live_ticket import State
from cluster.ledger.ticket_factory import sample_seeds


def test_admission_stops_at_the_lag_bound_and_opens_with_each_update() -> None:
    ledger = make_ledger(groups=2, lag=1, updates=3)
    assert [t.index for t in roll_all(ledger, version=0)] == [0, 1, 2, 3]
    assert ledger.batch() == [0, 1]
    assert ledger.next_ticket("a") is None
    ledger.settle(1)
    assert [t.index for t in roll_all(ledger, version=1)] == [4, 5]


def test_lag_zero_is_synchronous() -> None:
    ledger = make_ledger(groups=2, lag=0, updates=2)
    assert [t.index for t in roll_all(ledger, 0)] == [0, 1]
    ledger.batch()
    assert [t.lag for t in ledger.settle(1)] == [0, 0]
    assert [t.index for t in roll_all(ledger, 1)] == [2, 3]


@pytest.mark.parametrize("version", [0, 3], ids=["too old", "from the future"])
def test_a_group_outside_the_lag_bound_is_refused_at_consumption(version: int) -> None:
    ledger = make_ledger(groups=1, lag=1, updates=4)
    for update in range(2):
        roll_all(ledger, update)
        ledger.batch()
        ledger.settle(update + 1)
    roll_all(ledger, version)
    ledger.batch()  # update 2 was rolled at version 1, within the bound
    ledger.settle(3)
    if version == 3:
        ledger.rollback(2)
        roll_all(ledger, 3)
    with pytest.raises(LagViolation, match=f"made by version {version}"):
        ledger.batch()


def test_batches_are_in_place_order_whoever_finishes_first() -> None:
    ledger = make_ledger(groups=3, lag=0, updates=1)
    tickets = [ledger.next_ticket("a") for _ in range(3)]
    for ticket in reversed(tickets):
        assert ticket is not None
        assert ledger.batch() is None
        finish(ledger, ticket, 0)
    assert ledger.batch() == [0, 1, 2]


def test_a_group_that_could_not_be_scored_keeps_its_prompt_and_draws_new_seeds() -> None:
    ledger = make_ledger()
    first = ledger.next_ticket("a")
    assert first is not None
    assert ledger.drop(first.id, "clip abstained") == first
    second = ledger.next_ticket("a")
    assert second is not None
    assert (second.index, second.prompt, second.attempt) == (first.index, first.prompt, 1)
    assert not set(second.seeds) & set(first.seeds)
    assert ledger.counts()["dropped"] == {"clip abstained": 1}


def test_a_dead_actors_work_is_made_again_with_the_same_seeds_and_its_late_submission_refused() -> None:
    ledger = make_ledger()
    first = ledger.next_ticket("a")
    assert first is not None
    assert ledger.release("a") == [first]
    second = ledger.next_ticket("b")
    assert second is not None
    assert (second.index, second.seeds, second.attempt) == (first.index, first.seeds, 1)
    assert not finish(ledger, first, 0, "a")
    assert finish(ledger, second, 0, "b")


def test_ready_groups_outlive_their_actor() -> None:
    ledger = make_ledger()
    ticket = ledger.next_ticket("a")
    assert ticket is not None
    finish(ledger, ticket, 0)
    assert ledger.release("a") == []
    assert ledger.counts()["ready"] == 1


def test_news_from_the_actor_extends_the_deadline() -> None:
    now = [0.0]
    ledger = make_ledger(clock=lambda: now[0], deadline_s=10.0)
    slow, silent = ledger.next_ticket("a"), ledger.next_ticket("a")
    assert slow is not None
    now[0] = 9.0
    ledger.judging(slow.id, "a")
    now[0] = 11.0
    assert ledger.expire() == [silent]
    assert ledger.counts()["dropped"] == {"deadline": 1}


def test_settle_refuses_a_batch_that_was_never_taken_and_a_version_that_skips() -> None:
    ledger = make_ledger()
    roll_all(ledger, 0)
    with pytest.raises(ValueError, match="not taken"):
        ledger.settle(1)
    ledger.batch()
    with pytest.raises(ValueError, match="cannot settle version 2"):
        ledger.settle(2)


@pytest.mark.parametrize("taken", [False, True])
def test_a_stopped_run_ends_with_the_update_in_training_and_every_worker_ends_there(taken: bool) -> None:
    ledger = make_ledger(updates=5)
    roll_all(ledger, 0)
    batch = ledger.batch() if taken else None
    assert ledger.stop() == int(taken)
    assert ledger.batch() == (batch or [])
    if taken:
        ledger.settle(1)
    assert ledger.stop() == int(taken), "the end stays where it was"
    assert ledger.batch() == []
    ledger.conservation()


def test_a_learner_that_dies_after_the_stop_comes_back_to_the_same_end() -> None:
    ledger = make_ledger(groups=1, lag=0, updates=5)
    for version in range(2):
        roll_all(ledger, version)
        ledger.batch()
        ledger.settle(version + 1)
    assert ledger.stop() == 2
    ledger.rollback(1)
    roll_all(ledger, 1)
    assert ledger.batch() == [1]
    ledger.settle(2)
    assert ledger.batch() == []


def test_books_of_a_stopped_run_are_those_of_the_whole_run() -> None:
    ledger = make_ledger(groups=1, lag=1, updates=3)
    roll_all(ledger, 0)
    ledger.stop()
    again = make_ledger(groups=1, lag=1, updates=3)
    again.restore(json.loads(json.dumps(ledger.state())))
    again.conservation()
    roll_all(again, 0)
    assert again.batch() == [0]


def test_settle_reports_lag_and_where_the_time_went() -> None:
    now = [0.0]
    ledger = make_ledger(groups=1, lag=0, updates=1, clock=lambda: now[0])
    now[0] = 1.0
    ticket = ledger.next_ticket("a")
    assert ticket is not None
    now[0] = 3.0
    ledger.judging(ticket.id, "a")
    now[0] = 7.0
    finish(ledger, ticket, 0)
    now[0] = 15.0
    ledger.batch()
    (row,) = ledger.settle(1)
    assert row.seconds == {State.WAITING: 1.0, State.ROLLING: 2.0, State.JUDGING: 4.0, State.READY: 8.0}
    assert row.summary == {"reward": 1.0}


def test_rollback_takes_back_what_was_trained_and_makes_it_again_from_the_same_seeds() -> None:
    ledger = make_ledger(groups=2, lag=0, updates=3)
    lost: list[Ticket] = []
    for update in range(2):
        lost += roll_all(ledger, update)
        ledger.batch()
        ledger.settle(update + 1)
    assert ledger.rollback(0) == 2 * 2 + 2
    ledger.conservation()
    assert ledger.counts()["dropped"] == {"rolled back": 6}
    again = roll_all(ledger, 0)
    assert [t.seeds for t in again] == [t.seeds for t in lost[:2]]
    with pytest.raises(ValueError, match="roll back to version 1"):
        ledger.rollback(1)


def test_a_place_that_always_fails_stops_the_run_with_its_prompt() -> None:
    ledger = make_ledger(max_failures=3)
    for _ in range(3):
        ticket = ledger.next_ticket("a")
        assert ticket is not None
        ledger.drop(ticket.id, f"artifact judge: error (ValueError: no question {ticket.id})")
    with pytest.raises(StuckTicket, match=r"'prompt 0'.*3 times.*artifact judge: error \(ValueError: no question \d+"):
        ledger.batch()
    # Counted by what they have in common.
    assert ledger.counts()["dropped"] == {"artifact judge: error": 3}


def test_restore_uses_the_saved_prompts_and_refuses_another_runs_books() -> None:
    ledger = make_ledger()
    roll_all(ledger, 0)
    saved = json.loads(json.dumps(ledger.state()))
    assert {row["version"] for row in saved["in_flight"]} == {0}
    saved["in_flight"][0]["prompt"] = "a prompt that left the file"
    resumed = make_ledger()
    resumed.restore(saved)
    resumed.conservation()
    assert resumed.counts()["ready"] == 0, "accepted must become trained on restore"
    assert resumed.counts()["dropped"] == {"restored": 4}
    ticket = resumed.next_ticket("a")
    assert ticket is not None
    assert ticket.prompt == "a prompt that left the file"
    assert ticket.seeds == sample_seeds(0, 0, 0, 2)
    with pytest.raises(ValueError, match="samples_per_prompt: the saved run has 2, this one 3"):
        make_ledger(samples=3).restore(saved)


def test_a_resumed_run_may_have_more_updates_and_another_lag() -> None:
    ledger = make_ledger(lag=2, updates=3)
    saved = ledger.state()
    longer = make_ledger(lag=0, updates=9)
    longer.restore(saved)
    longer.conservation()
    assert [t.index for t in roll_all(longer, 0)] == [0, 1]


def test_seeds_depend_on_run_place_and_draw_only() -> None:
    assert sample_seeds(1, 2, 0, 4)[:2] == sample_seeds(1, 2, 0, 2)
    everything = {s for seed in range(3) for p in range(20) for d in range(3) for s in sample_seeds(seed, p, d, 4)}
    assert len(everything) == 3 * 20 * 3 * 4
    assert max(everything) < 2**53
