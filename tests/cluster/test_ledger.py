"""The ledger under random schedules of actors, deaths, drops, deadlines, late submissions, crashes and restarts."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.ticket import Ticket
from cluster.ledger import LagViolation, Ledger, State, StuckPlace
from cluster.office import sample_seeds


def prompts(place: int) -> tuple[str, dict[str, Any]]:
    return f"prompt {place % 5}", {"animal": place % 5}


def make_ledger(groups: int = 2, samples: int = 2, lag: int = 1, updates: int = 3, **changes: Any) -> Ledger:
    settings_ = {"seed": 0, "clock": lambda: 0.0} | changes
    return Ledger(
        prompts, groups_per_update=groups, samples_per_prompt=samples, max_lag=lag, updates=updates, **settings_
    )


def finish(ledger: Ledger, ticket: Ticket, version: int, actor: str = "a") -> bool:
    return ledger.submit(ticket.id, actor, ticket.place, version, {"reward": 1.0})


def roll_all(ledger: Ledger, version: int) -> list[Ticket]:
    tickets: list[Ticket] = []
    while ticket := ledger.next_ticket("a"):
        tickets.append(ticket)
        assert finish(ledger, ticket, version)
    return tickets


class Salon(RuleBasedStateMachine):
    """A whole run around a real ledger: actors and a learner that keep the protocol, and everything that can go wrong.

    The model keeps its own list of who holds what and of what was trained; the ledger must agree with it.
    """

    actors = st.sampled_from(["a", "b", "c"])
    pick = st.integers(0, 10**6)

    @initialize(
        groups=st.integers(1, 3), samples=st.integers(1, 2), lag=st.integers(0, 3), updates=st.integers(1, 4), seed=pick
    )
    def start(self, groups: int, samples: int, lag: int, updates: int, seed: int) -> None:
        self.now = 0.0
        self.shape = {"groups": groups, "samples": samples, "lag": lag, "updates": updates, "seed": seed}
        self.ledger = self.new_ledger()
        self.weights = 0  # the version in the weight store
        self.held: dict[int, Any] = {}  # ticket id → its ticket, holder and version: what the ledger must accept
        self.stale: list[Any] = []  # the same, of tickets that were taken back: what it must refuse
        self.history: list[list[Any]] = []  # payloads that each surviving update has trained
        self.batch: list[Any] | None = None
        self.seeds: dict[tuple[int, int], tuple[int, ...]] = {}
        self.bad: dict[int, int] = {}  # place → groups that could not be scored
        self.ids: set[int] = set()
        self.checkpoints = [self.checkpoint()]

    def new_ledger(self) -> Ledger:
        return make_ledger(**self.shape, clock=lambda: self.now, deadline_s=10.0, max_failures=10**9)

    def checkpoint(self) -> str:
        return json.dumps({"ledger": self.ledger.state(), "bad": sorted(self.bad.items())})

    def choose(self, things: Any, pick: int) -> Any:
        things = list(things)
        return things[pick % len(things)]

    def take_back(self, ids: Any) -> None:
        self.stale += [self.held.pop(i) for i in list(ids)]

    # -- actors ----------------------------------------------------------------------------------------------------

    @rule(actor=actors)
    def take_ticket(self, actor: str) -> None:
        waiting = self.ledger.counts()["waiting"]
        ticket = self.ledger.next_ticket(actor)
        assert (ticket is not None) == (waiting > 0)
        if ticket is None:
            return
        assert ticket.id not in self.ids, "an id was used twice"
        assert ticket.place < (self.ledger.published + self.shape["lag"] + 1) * self.shape["groups"]
        assert ticket.place >= self.ledger.published * self.shape["groups"]
        assert ticket.prompt == prompts(ticket.place)[0]
        known = self.seeds.setdefault((ticket.place, self.bad.get(ticket.place, 0)), ticket.seeds)
        assert ticket.seeds == known, "lost work must be made again with its own seeds"
        self.ids.add(ticket.id)
        self.held[ticket.id] = SimpleNamespace(ticket=ticket, actor=actor, version=None, news=self.now)

    @precondition(lambda self: self.held)
    @rule(pick=pick)
    def fetch_weights_and_roll(self, pick: int) -> None:
        work = self.choose(self.held.values(), pick)
        if work.version is None:
            work.version = self.weights
            assert self.ledger.judging(work.ticket.id, work.actor)
            work.news = self.now

    @precondition(lambda self: any(w.version is not None for w in self.held.values()))
    @rule(pick=pick)
    def submit(self, pick: int) -> None:
        work = self.choose([w for w in self.held.values() if w.version is not None], pick)
        other = "nobody"
        assert not self.ledger.submit(work.ticket.id, other, None, work.version, {})
        assert self.ledger.submit(work.ticket.id, work.actor, work, work.version, {})
        assert not self.ledger.submit(work.ticket.id, work.actor, work, work.version, {}), "accepted twice"
        del self.held[work.ticket.id]

    @precondition(lambda self: self.stale)
    @rule(pick=pick)
    def late_submission_is_fenced(self, pick: int) -> None:
        work = self.choose(self.stale, pick)
        before = self.ledger.counts()
        assert not self.ledger.submit(work.ticket.id, work.actor, work, 0, {})
        assert not self.ledger.judging(work.ticket.id, work.actor)
        assert self.ledger.drop(work.ticket.id, "unscored") is None
        assert self.ledger.counts() == before

    @precondition(lambda self: self.held)
    @rule(pick=pick)
    def group_cannot_be_scored(self, pick: int) -> None:
        work = self.choose(self.held.values(), pick)
        assert self.ledger.drop(work.ticket.id, "unscored") == work.ticket
        self.take_back([work.ticket.id])
        self.bad[work.ticket.place] = self.bad.get(work.ticket.place, 0) + 1

    @rule(actor=actors)
    def actor_dies(self, actor: str) -> None:
        lost = {t.id for t in self.ledger.release(actor)}
        assert lost == {i for i, w in self.held.items() if w.actor == actor}
        self.take_back(lost)

    @rule(seconds=st.floats(0.0, 15.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        late = {t.id for t in self.ledger.expire()}
        assert late == {i for i, w in self.held.items() if w.news + 10.0 <= self.now}
        self.take_back(late)

    # -- the learner -----------------------------------------------------------------------------------------------

    @rule()
    def take_batch(self) -> None:
        batch = self.ledger.batch()
        assert batch == self.ledger.batch(), "the batch must stay the same until it is settled"
        if self.batch is not None:
            assert batch == self.batch
        if batch is None:
            return
        update, groups = self.ledger.published, self.shape["groups"]
        assert [w.ticket.place for w in batch] == list(range(update * groups, (update + 1) * groups))
        assert all(0 <= update - w.version <= self.shape["lag"] for w in batch)
        self.batch = batch

    @precondition(lambda self: self.batch is not None and self.weights == self.ledger.published)
    @rule()
    def publish(self) -> None:
        self.weights += 1

    @precondition(lambda self: self.batch is not None and self.weights == self.ledger.published + 1)
    @rule()
    def settle(self) -> None:
        assert self.batch is not None
        trained = self.ledger.settle(self.weights)
        assert [t.ticket for t in trained] == [w.ticket for w in self.batch]
        assert self.ledger.settle(self.weights) == []
        self.history.append(self.batch)
        self.batch = None

    @rule(pick=pick)
    def learner_crashes_and_rolls_back(self, pick: int) -> None:
        version = pick % (self.ledger.published + 1)
        self.weights = version
        self.ledger.rollback(version)
        self.after_restart(version)

    @rule()
    def save(self) -> None:
        self.checkpoints.append(self.checkpoint())

    @rule(pick=pick)
    def everything_dies_and_resumes(self, pick: int) -> None:
        saved = json.loads(self.choose(self.checkpoints, pick))
        self.ledger = self.new_ledger()
        self.ledger.restore(saved["ledger"])
        self.bad = dict(saved["bad"])
        self.weights = self.ledger.published
        # The resumed ledger's ids and draws continue from the checkpoint: what it gave out later never happened.
        self.ids = {i for i in self.ids if i < saved["ledger"]["office"]["next_id"]}
        self.after_restart(self.weights)
        self.stale = [w for w in self.stale if w.ticket.id in self.ids]

    def after_restart(self, version: int) -> None:
        self.batch = None
        self.take_back(self.held)
        del self.history[version:]
        # A checkpoint of updates that were undone is overwritten, never resumed.
        self.checkpoints = [c for c in self.checkpoints if json.loads(c)["ledger"]["published"] <= version]

    # -- what always holds -----------------------------------------------------------------------------------------

    @invariant()
    def books_balance(self) -> None:
        self.ledger.conservation()
        counts = self.ledger.counts()
        assert counts["rolling"] + counts["judging"] == len(self.held)
        assert counts["trained"] == sum(map(len, self.history))
        assert counts["published"] == len(self.history)
        slots = (self.shape["lag"] + 1) * self.shape["groups"]
        assert counts["in_flight"] + counts["ready"] <= slots

    @invariant()
    def nothing_is_trained_twice(self) -> None:
        places = [w.ticket.place for batch in self.history for w in batch]
        assert places == list(range(len(places)))
        ids = [w.ticket.id for batch in self.history for w in batch]
        assert len(set(ids)) == len(ids)

    def teardown(self) -> None:
        """Progress: from wherever the run is, a fair scheduler finishes it, one step of everybody at a time."""
        if not hasattr(self, "ledger"):
            return
        rounds = 0
        while not self.ledger.done:
            rounds += 1
            assert rounds <= 2 * self.shape["updates"] * self.shape["groups"] * (self.shape["lag"] + 2) + 4, (
                "no progress"
            )
            self.take_ticket("a")
            for _ in range(len(self.held)):
                self.fetch_weights_and_roll(rounds)
            if any(w.version is not None for w in self.held.values()):
                self.submit(rounds)
            self.take_batch()
            if self.batch is not None:
                if self.weights == self.ledger.published:
                    self.publish()
                self.settle()
            self.books_balance()
            self.nothing_is_trained_twice()
        assert self.ledger.counts()["trained"] == self.shape["updates"] * self.shape["groups"]


Salon.TestCase.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestSalon = Salon.TestCase


def test_admission_stops_at_the_lag_bound_and_opens_with_each_update() -> None:
    ledger = make_ledger(groups=2, lag=1, updates=3)
    assert [t.place for t in roll_all(ledger, version=0)] == [0, 1, 2, 3]
    assert ledger.batch() == [0, 1]
    assert ledger.next_ticket("a") is None
    ledger.settle(1)
    assert [t.place for t in roll_all(ledger, version=1)] == [4, 5]


def test_lag_zero_is_synchronous() -> None:
    ledger = make_ledger(groups=2, lag=0, updates=2)
    assert [t.place for t in roll_all(ledger, 0)] == [0, 1]
    ledger.batch()
    assert [t.lag for t in ledger.settle(1)] == [0, 0]
    assert [t.place for t in roll_all(ledger, 1)] == [2, 3]


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
    assert (second.place, second.prompt, second.attempt) == (first.place, first.prompt, 1)
    assert not set(second.seeds) & set(first.seeds)
    assert ledger.counts()["dropped"] == {"clip abstained": 1}


def test_a_dead_actors_work_is_made_again_with_the_same_seeds_and_its_late_submission_refused() -> None:
    ledger = make_ledger()
    first = ledger.next_ticket("a")
    assert first is not None
    assert ledger.release("a") == [first]
    second = ledger.next_ticket("b")
    assert second is not None
    assert (second.place, second.seeds, second.attempt) == (first.place, first.seeds, 1)
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
def test_a_stopped_run_ends_with_the_update_in_training_and_every_worker_hears_it_there(taken: bool) -> None:
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
        ledger.drop(ticket.id, "artifact judge: error")
    with pytest.raises(StuckPlace, match=r"'prompt 0'.*3 times.*artifact judge: error"):
        ledger.batch()


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
    assert [t.place for t in roll_all(longer, 0)] == [0, 1]


def test_seeds_depend_on_run_place_and_draw_only() -> None:
    assert sample_seeds(1, 2, 0, 4)[:2] == sample_seeds(1, 2, 0, 2)
    everything = {s for seed in range(3) for p in range(20) for d in range(3) for s in sample_seeds(seed, p, d, 4)}
    assert len(everything) == 3 * 20 * 3 * 4
    assert max(everything) < 2**53
