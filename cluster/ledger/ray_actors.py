"""The ledger and the weight store as Ray actors: calls that wait, and the log of events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import ray
from ray import ObjectRef
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.adapter import Adapter
from actors.audit import JudgedPicture
from actors.clients import LedgerClient, WeightStoreClient
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup
from cluster.ledger.event_log import EventLog, ticket_row, update_row
from cluster.ledger.ledger import Ledger
from cluster.ledger.ticket_factory import Prompts
from cluster.ledger.weight_store import WeightStore

T = TypeVar("T")

# A waiter looks for tickets past their deadline at least this often.
TICK_S = 1.0
# Every waiting call occupies one of these; thousands of actors may wait at once.
CONCURRENCY = 10_000


class LedgerActor:
    """The `Ledger` as an actor: the same calls, some of which wait.

    consumes        calls of the rollout actors and of the learner's workers
    waits for       a free slot (`next_ticket`), a full batch (`batch`); never longer than the caller's `wait_s`
    unblocked by    `settle`, `submit`, and everything that drops a ticket
    produces        tickets, batches of references to judged groups, and the log of events (see `EventLog`)

    The judged groups live in the object store and belong to this process, so they outlive the rollout actor that
    made them.
    """

    def __init__(self, prompts: Prompts, *, state: Mapping[str, Any] | None = None, **settings: Any) -> None:
        self._ledger = Ledger(prompts, clock=time.monotonic, **settings)
        self._log = EventLog()
        if state is not None:
            self._ledger.restore(state)
            self._log.repeat(state.get("unreported", state.get("untold", ())))
            self._log.add("resume", {"version": self._ledger.published})
        self._changed = asyncio.Event()
        self._lives: dict[str, int] = {}

    async def next_ticket(self, actor: str, wait_s: float) -> Ticket | None:
        """A ticket to roll, or None after `wait_s` seconds without a free slot."""
        life = self._lives.get(actor, 0)

        def take() -> Ticket | None:
            # A request that `release` has outlived comes from a dead process: a ticket would be lost on it.
            return self._ledger.next_ticket(actor) if self._lives.get(actor, 0) == life else None

        return await self._wait(take, wait_s)

    async def judging(self, ticket_id: int, actor: str) -> bool:
        """See `Ledger.judging`."""
        return self._ledger.judging(ticket_id, actor)

    async def submit(
        self, ticket_id: int, actor: str, group: JudgedGroup, version: int, summary: Mapping[str, Any]
    ) -> bool:
        """See `Ledger.submit`; the group is copied into an object of this process's own."""
        self._take_back_late()
        if not self._ledger.holds(ticket_id, actor):
            return False
        self._ledger.submit(ticket_id, actor, ray.put(group), version, summary)
        ticket = group.trajectories.ticket
        self._log.add("group", ticket_row(ticket), version=version, **summary)
        self._notify()
        return True

    async def drop(self, ticket_id: int, reason: str, audit: Sequence[JudgedPicture] = ()) -> bool:
        """See `Ledger.drop`; False when the ticket is not current. `audit` goes into the log."""
        ticket = self._ledger.drop(ticket_id, reason)
        self._dropped([] if ticket is None else [ticket], reason, audit=audit)
        return ticket is not None

    async def release(self, actor: str, reason: str = "actor died") -> int:
        """See `Ledger.release`; also ends the requests that the dead actor left waiting. Returns how many were held.

        A request that was still on its way takes a ticket all the same, which `deadline_s` or the next release returns.
        """
        self._lives[actor] = self._lives.get(actor, 0) + 1
        tickets = self._ledger.release(actor, reason)
        self._dropped(tickets, reason)
        return len(tickets)

    async def batch(self, rank: int, world: int, version: int, wait_s: float) -> list[ObjectRef[JudgedGroup]] | None:
        """References to this rank's groups (indices `rank::world`) of the update that starts at `version`.

        None after `wait_s` seconds without a full batch, empty when there is no further update. After a restart, no
        rank may ask before one of them has rolled back, or two ranks could train different batches. Raises ValueError
        for a version that is settled already, LagViolation and StuckTicket as `Ledger.batch` does.
        """

        def take() -> list[ObjectRef[JudgedGroup]] | None:
            self._check_not_settled(version)
            groups = self._ledger.batch() if version == self._ledger.published else None
            return None if groups is None else groups[rank::world]

        return await self._wait(take, wait_s)

    async def begin(self, version: int, wait_s: float) -> bool | None:
        """See `Ledger.begin`, for the update that starts at `version`, the same for every rank; raises ValueError as
        `batch` does. None after `wait_s` seconds in which `version` was not published."""

        def take() -> bool | None:
            self._check_not_settled(version)
            return self._ledger.begin() if version == self._ledger.published else None

        return await self._wait(take, wait_s)

    async def settle(self, version: int, stats: Mapping[str, Any]) -> None:
        """See `Ledger.settle`; `stats` go into the update's event with its lag and where its groups' time went."""
        before = self._ledger.published
        trained = self._ledger.settle(version)
        self._ledger.conservation()
        if self._ledger.published != before:
            self._log.add("update", {**update_row(version, trained, self._ledger.counts()["dropped"]), **stats})
            self._notify()

    async def stop(self) -> int:
        """See `Ledger.stop`."""
        last = self._ledger.stop()
        self._notify()
        return last

    async def rollback(self, version: int) -> int:
        """See `Ledger.rollback`."""
        lost = self._ledger.rollback(version)
        self._ledger.conservation()
        self._log.add("rollback", {"version": version, "groups": lost})
        self._notify()
        return lost

    async def counts(self) -> dict[str, Any]:
        """See `Ledger.counts`."""
        self._take_back_late()
        return self._ledger.counts()

    async def state(self) -> dict[str, Any]:
        """See `Ledger.state`; with the updates that are still in the log, which a resumed run must report again."""
        return {**self._ledger.state(), "unreported": self._log.unreported(self._ledger.published)}

    async def events(self, since: int = 0) -> list[dict[str, Any]]:
        """The rows of the log whose number is above `since`; those up to `since` are forgotten."""
        self._take_back_late()
        return self._log.since(since)

    async def _wait(self, take: Callable[[], T | None], wait_s: float) -> T | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            self._take_back_late()
            changed = self._changed
            if (taken := take()) is not None:
                return taken
            left = deadline - loop.time()
            if left <= 0:
                return None
            await asyncio.wait([wake := loop.create_task(changed.wait())], timeout=min(left, TICK_S))
            wake.cancel()

    def _check_not_settled(self, version: int) -> None:
        if version < (published := self._ledger.published):
            raise ValueError(f"the learner is at version {version}, but {published} is published: roll back first")

    def _take_back_late(self) -> None:
        self._dropped(self._ledger.expire(), "deadline")

    def _dropped(self, tickets: Sequence[Ticket], reason: str, **more: Any) -> None:
        for ticket in tickets:
            self._log.add("drop", ticket_row(ticket), reason=reason, **more)
        if tickets:
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class WeightStoreActor:
    """The `WeightStore` as an actor; adapters leave it by reference, once to a node, and are read-only numpy there."""

    def __init__(self) -> None:
        self._store = WeightStore()
        self._latest: list[Any] | None = None
        self._evaluated: list[Any] | None = None

    async def publish(self, adapter: Adapter, evaluated: Adapter | None = None, rollback: bool = False) -> int:
        """See `WeightStore.publish`."""
        version = self._store.publish(adapter, evaluated, rollback=rollback)
        if self._store.latest() is adapter:  # and not the same, published before
            self._latest = [ray.put(adapter)]
            self._evaluated = self._latest if evaluated is None else [ray.put(evaluated)]
        return version

    async def latest(self) -> list[Any] | None:
        """See `WeightStore.latest`; a list of one reference."""
        return self._latest

    async def evaluated(self) -> list[Any] | None:
        """See `WeightStore.evaluated`; a list of one reference."""
        return self._evaluated

    async def version(self) -> int | None:
        """See `WeightStore.version`."""
        return self._store.version


def spawn_ledger(
    prompts: Prompts,
    *,
    num_cpus: float,
    state: Mapping[str, Any] | None = None,
    name: str | None = None,
    **settings: Any,
) -> LedgerClient:
    """A ledger in a process of its own, restored from `state` if there is one; `settings` are `Ledger`'s but the clock.

    `name` is what `LedgerClient.named` finds it by. Ray never restarts it: a ledger without its state must end the run,
    which then resumes from a checkpoint.
    """
    options: Any = ray.remote(LedgerActor).options(
        num_cpus=num_cpus, name=name, max_restarts=0, max_concurrency=CONCURRENCY, scheduling_strategy=_beside_driver()
    )
    return LedgerClient(options.remote(prompts, state=state, **settings))


def spawn_weight_store(*, num_cpus: float, name: str | None = None) -> WeightStoreClient:
    """A weight store in a process of its own; like the ledger it is never restarted empty."""
    options: Any = ray.remote(WeightStoreActor).options(
        num_cpus=num_cpus, name=name, max_restarts=0, max_concurrency=CONCURRENCY, scheduling_strategy=_beside_driver()
    )
    return WeightStoreClient(options.remote())


def _beside_driver() -> NodeAffinitySchedulingStrategy:
    """On this node, if there is room: the run ends with the driver anyway, and no other node should end it."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
