# pyright: strict
"""The ledger: the one owner of every ticket, a state machine that knows neither Ray nor the time of day."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from actors.ticket import Ticket
from cluster.ledger.ledger_state import LedgerState
from cluster.ledger.live_ticket import LagViolation, LiveTicket, State, StuckTicket, Trained, prompt_and_seeds
from cluster.ledger.ticket_factory import Prompts, TicketFactory
from rewards.errors import kind_of_reason


class Ledger:
    """Hands out tickets, takes judged groups back, and makes them into batches in index order.

    The run is `updates · P` indices in a row (P = groups_per_update); update `u` trains the indices `[uP, (u+1)P)`.
    P = 0 is the ledger of an offline run, whose learner brings its own batches: it has no tickets, and its updates
    begin with `begin`.

    Every index of the window `[published·P, (published+S+1)·P)` (S = max_lag) holds exactly one live ticket, and no
    index beyond it holds any. Hence the invariants, which `conservation` asserts:

    - conservation: `admitted = in_flight + ready + trained + dropped(by reason)`, always, restarts included (in_flight
      is waiting + rolling + judging);
    - bounded lag: an actor fetches its weights after its ticket, and weights are published before the update is
      settled, so a group's version is at least `index // P - S`. `batch` checks it again and raises LagViolation.

    A ticket that is dropped is replaced at once by a new one (new id, next attempt) at the same index. Work that was
    *lost* (dead actor, deadline, rollback, restore) keeps its seeds and can be made again; work that was *bad* (could
    not be scored) draws new ones. A ledger uses no id twice, so a late submission for a replaced ticket is recognised
    and refused. `trained` counts what the surviving policy has seen: a rollback turns the groups that were trained
    after the checkpoint into dropped("rolled back").

    `clock` gives seconds, from any origin; `deadline_s` is how long a ticket may go without news from its actor.
    """

    def __init__(
        self,
        prompts: Prompts,
        *,
        seed: int,
        groups_per_update: int,
        samples_per_prompt: int,
        max_lag: int,
        updates: int,
        clock: Callable[[], float],
        deadline_s: float = float("inf"),
        max_failures: int = 50,
    ) -> None:
        self.groups_per_update, self.max_lag, self.updates = groups_per_update, max_lag, updates
        self.deadline_s, self.max_failures = deadline_s, max_failures
        self.published = 0
        self._tickets = TicketFactory(prompts, seed, samples_per_prompt)
        self._clock = clock
        self._admitted = self._trained = 0
        self._dropped: Counter[str] = Counter()
        self._handed_out = False
        self._last: int | None = None
        self._live: dict[int, LiveTicket] = {}
        self._index: dict[int, int] = {}
        self._waiting: list[int] = []
        self._open_window()

    # -- the actors' side ------------------------------------------------------------------------------------------

    def next_ticket(self, actor: str) -> Ticket | None:
        """The ticket of the earliest waiting index, now rolling under `actor`; None when the actor must wait."""
        if not self._waiting:
            return None
        work = self._live[heapq.heappop(self._waiting)]
        self._move(work, State.ROLLING)
        work.actor = actor
        return work.ticket

    def holds(self, ticket_id: int, actor: str) -> bool:
        """Whether a submission of this ticket by `actor` would be accepted now."""
        return self._held(ticket_id, actor) is not None

    def judging(self, ticket_id: int, actor: str) -> bool:
        """The samples are drawn and the jury has them; False when the ticket is no longer this actor's to roll."""
        work = self._held(ticket_id, actor)
        if work is None or work.state is not State.ROLLING:
            return False
        self._move(work, State.JUDGING)
        return True

    def submit(self, ticket_id: int, actor: str, payload: Any, version: int, summary: Mapping[str, Any]) -> bool:
        """The judged group, made wholly by policy `version`; False (fenced) when the ticket is not this actor's."""
        work = self._held(ticket_id, actor)
        if work is None:
            return False
        self._move(work, State.READY)
        work.payload, work.version, work.summary = payload, version, summary
        return True

    def drop(self, ticket_id: int, reason: str) -> Ticket | None:
        """The group is bad: its prompt waits again with new seeds. Returns the dropped ticket, None if not current.

        `reason` is counted without the brackets at its end, in which may be somebody's own words."""
        work = self._held(ticket_id)
        return None if work is None else self._replace(work, reason, bad=True)

    def release(self, actor: str, reason: str = "actor died") -> list[Ticket]:
        """The actor is gone: what it held waits again with the same seeds. Returns the tickets it held."""
        held = [work for work in self._live.values() if work.held_by(actor)]
        return [self._replace(work, reason, bad=False) for work in held]

    def expire(self) -> list[Ticket]:
        """Takes back the tickets without news for `deadline_s`, with the same seeds; returns them."""
        now = self._clock()
        late = [w for w in self._live.values() if w.deadline <= now]
        return [self._replace(work, "deadline", bad=False) for work in late]

    # -- the learner's side ----------------------------------------------------------------------------------------

    def batch(self) -> list[Any] | None:
        """Payloads of the current update in index order, the same until it is settled; None while it is incomplete.

        An empty list says that there is no further update: `stop` was called.
        Raises LagViolation when a group is older than `max_lag` updates (or younger than the update), and StuckTicket
        when a group that the update needs has failed `max_failures` times.
        """
        if self.published == self._last:
            return []
        works = self._current()
        for work in works:
            index, tries = work.ticket.index, self._tickets.tries(work.ticket.index)
            if work.state is not State.READY and tries.failures >= self.max_failures:
                raise StuckTicket(
                    f"index {index} (prompt {work.ticket.prompt!r}) came to nothing {tries.failures} times "
                    f"(cluster.group_failures), the last time: {tries.reason}"
                    + ("; raise actors.ticket_deadline_s" if tries.reason == "deadline" else "")
                )
            if work.version is not None and not 0 <= self.published - work.version <= self.max_lag:
                raise LagViolation(
                    f"index {index}: the group was made by version {work.version}, but update {self.published} "
                    f"with max_lag {self.max_lag} takes versions {self.published - self.max_lag} to {self.published}"
                )
        if not works or any(w.state is not State.READY for w in works):
            return None
        self._handed_out = True
        return [w.payload for w in works]

    def begin(self) -> bool:
        """Takes the batch of an offline run, which is empty; False says that there is none, as `stop` was called."""
        if self.published == self._last:
            return False
        self._handed_out = True
        return True

    def settle(self, version: int) -> list[Trained]:
        """The batch became policy `version`, which is published: frees its slots, admits new prompts.

        Settling the same version again does nothing and returns []. Any other version, or one whose batch was never
        taken, is a ValueError.
        """
        if version == self.published:
            return []
        if version != self.published + 1 or not self._handed_out:
            raise ValueError(
                f"cannot settle version {version}: {self.published} updates are published and the next batch was "
                f"{'' if self._handed_out else 'not '}taken; after a restart call rollback first"
            )
        works = self._current()
        trained = [work.trained(self.published, self._clock()) for work in works]
        for work in works:
            del self._live[work.ticket.index], self._index[work.ticket.id]
        self._trained += len(trained)
        self.published, self._handed_out = version, False
        self._open_window()
        return trained

    def stop(self) -> int:
        """Ends the run early, after the update in training if there is one; returns the last version there will be.

        That version is fixed by the first call, so all workers of a learner meet the end at the same update. Nothing
        else changes: the saved state is still that of the whole run, and a ledger restored from it goes on with it.
        """
        if self._last is None:
            self._last = int(self.published + self._handed_out)
        return self._last

    def rollback(self, version: int) -> int:
        """The learner restored the checkpoint of `version`: everything after it is made again. Returns groups lost.

        Ready groups go too, although some would be young enough: losing their payloads may be what killed the
        learner. Publish the restored weights first, so that the new tickets can only meet those.
        """
        if not 0 <= version <= self.published:
            raise ValueError(f"cannot roll back to version {version}: {self.published} updates are published")
        undone = range(version * self.groups_per_update, self.published * self.groups_per_update)
        lost = [*undone, *self._live]
        self._trained -= len(undone)
        self.published = version
        self._forget(lost, "rolled back")
        self._open_window()
        return len(lost)

    # -- counts and state ------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether every update of the run is published."""
        return self.published == self.updates

    def counts(self) -> dict[str, Any]:
        """Tickets by state, dropped by reason, and the published version."""
        states = Counter(w.state for w in self._live.values())
        return {
            "admitted": self._admitted,
            "in_flight": len(self._live) - states[State.READY],
            **{state.value: states[state] for state in State},
            "trained": self._trained,
            "dropped": dict(self._dropped),
            "published": self.published,
            "updates": self.updates,
        }

    def conservation(self) -> None:
        """Asserts that no ticket was lost or made up, and that the live ones are exactly the window."""
        c = self.counts()
        accounted = c["in_flight"] + c["ready"] + c["trained"] + sum(c["dropped"].values())
        assert c["admitted"] == accounted, f"{c['admitted']} tickets admitted, {accounted} accounted for: {c}"
        assert c["trained"] == self.published * self.groups_per_update, f"{c['trained']} groups trained: {c}"
        assert set(self._live) == set(self._window()), f"live indices {sorted(self._live)}, window {self._window()}"
        assert self._index == {w.ticket.id: index for index, w in self._live.items()}
        assert sorted(self._waiting) == sorted(index for index, w in self._live.items() if w.state is State.WAITING)

    def state(self) -> dict[str, Any]:
        """JSON values for a checkpoint; of work in flight prompt, metadata, seeds and version, never the payload."""
        in_flight = LedgerState.rows(self._live.items())
        return LedgerState(self._identity(), self.published, self._dropped, self._tickets.state(), in_flight).to_json()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Replaces this ledger's state by a saved one; what was in flight is admitted again with its prompt and seeds.

        Nothing that was accepted but not trained survives (accepted := trained), or the lag bound would break.
        `updates` and `max_lag` may differ from the saved run's; a ValueError names anything else that does.
        """
        saved = LedgerState.read(state, self._identity(), self.updates)
        self._tickets.restore(saved.tickets)
        self.published = saved.published
        self._trained = self.published * self.groups_per_update
        self._dropped = Counter(saved.dropped)
        self._admitted = self._trained + self._dropped.total() + len(saved.in_flight)
        self._forget(saved.in_flight, "restored")
        self._open_window(saved.in_flight)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _identity(self) -> dict[str, int]:
        samples, groups = self._tickets.samples_per_prompt, self.groups_per_update
        return {"seed": self._tickets.seed, "groups_per_update": groups, "samples_per_prompt": samples}

    def _window(self) -> range:
        ahead = min(self.published + self.max_lag + 1, self.updates)
        return range(self.published * self.groups_per_update, ahead * self.groups_per_update)

    def _current(self) -> list[LiveTicket]:
        return [] if self.done else [self._live[index] for index in self._window()[: self.groups_per_update]]

    def _held(self, ticket_id: int, actor: str | None = None) -> LiveTicket | None:
        index = self._index.get(ticket_id)
        work = None if index is None else self._live[index]
        return work if work is not None and work.held_by(actor) else None

    def _move(self, work: LiveTicket, state: State) -> None:
        now = self._clock()
        work.enter(state, now, float("inf") if state is State.READY else now + self.deadline_s)

    def _open_window(self, saved: Mapping[int, Mapping[str, Any]] | None = None) -> None:
        for index in self._window():
            if index not in self._live:
                self._admit(index, (saved or {}).get(index))

    def _admit(self, index: int, like: Mapping[str, Any] | None = None) -> None:
        ticket = self._tickets.issue(index, self.published, like)
        self._admitted += 1
        self._live[index] = LiveTicket(ticket, {State.WAITING: self._clock()})
        self._index[ticket.id] = index
        heapq.heappush(self._waiting, index)

    def _replace(self, work: LiveTicket, reason: str, *, bad: bool) -> Ticket:
        old = work.ticket
        self._tickets.failed(old.index, reason, bad=bad)
        self._dropped[kind_of_reason(reason)] += 1
        del self._live[old.index], self._index[old.id]
        self._admit(old.index, prompt_and_seeds(old, with_seeds=not bad))
        return old

    def _forget(self, indices: Iterable[int], reason: str) -> None:
        for index in indices:
            self._tickets.undone(index)
            self._dropped[reason] += 1
        self._live, self._index, self._waiting, self._handed_out = {}, {}, [], False
