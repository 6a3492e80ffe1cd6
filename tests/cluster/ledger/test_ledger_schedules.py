# pyright: strict
"""The ledger under random schedules of actors, deaths, drops, deadlines, late submissions, crashes and restarts."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ledgers import make_ledger, prompts

from cluster.ledger.ledger import Ledger


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
        self.bad: dict[int, int] = {}  # index → groups that could not be scored
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
        assert ticket.index < (self.ledger.published + self.shape["lag"] + 1) * self.shape["groups"]
        assert ticket.index >= self.ledger.published * self.shape["groups"]
        assert ticket.prompt == prompts(ticket.index)[0]
        known = self.seeds.setdefault((ticket.index, self.bad.get(ticket.index, 0)), ticket.seeds)
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
        self.bad[work.ticket.index] = self.bad.get(work.ticket.index, 0) + 1

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
        assert [w.ticket.index for w in batch] == list(range(update * groups, (update + 1) * groups))
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
        self.ids = {i for i in self.ids if i < saved["ledger"]["tickets"]["next_id"]}
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
        indices = [w.ticket.index for batch in self.history for w in batch]
        assert indices == list(range(len(indices)))
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
