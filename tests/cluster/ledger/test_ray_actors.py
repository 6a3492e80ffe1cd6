"""The ledger and the weight store as actors of a real local Ray."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import numpy as np
import pytest
import ray

from actors.adapter import Adapter
from actors.clients import Call, CallRefused, LedgerClient, WeightStoreClient
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup, Trajectories
from cluster.ledger.ray_actors import LedgerActor, spawn_ledger, spawn_weight_store

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("local_ray")]

GROUPS, SAMPLES, UPDATES, LAG = 3, 2, 4, 1
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "groups_per_update": GROUPS,
    "samples_per_prompt": SAMPLES,
    "max_lag": LAG,
    "updates": UPDATES,
}
ONE: dict[str, Any] = SETTINGS | {"groups_per_update": 1, "max_lag": 0}


def prompts(index: int) -> tuple[str, dict[str, Any]]:
    return f"prompt {index}", {}


def adapter(version: int) -> Adapter:
    return Adapter.pack(version, {"a": np.full(4, version)})


def judged(ticket: Ticket, weights: Adapter) -> JudgedGroup:
    """A group whose rewards say which weights made it."""
    n, steps = len(ticket.seeds), 2
    latents, images = np.zeros((n, steps + 1, 1, 200, 200), np.float32), np.zeros((n, 8, 8, 3), np.uint8)
    paths = Trajectories(
        ticket, weights.version, latents, np.arange(steps)[::-1], np.zeros((n, steps), np.float32), images
    )
    return JudgedGroup(paths, np.full(n, weights.values[0], np.float32))


class _Roller:
    """A rollout actor without a model: the protocol and nothing else."""

    def __init__(self, name: str, ledger: LedgerClient, weights: WeightStoreClient) -> None:
        self.name, self.ledger, self.weights = name, ledger, weights

    async def take(self) -> Ticket | None:
        return await self.ledger.next_ticket(self.name, 5.0)

    async def hand_in(self, ticket: Ticket) -> bool:
        weights = await self.weights.latest()
        assert weights is not None
        await self.ledger.judging(ticket.id, self.name)
        group = judged(ticket, weights)
        return await self.ledger.submit(ticket.id, self.name, group, weights.version, {"reward": 1.0})

    async def roll(self) -> None:
        while True:
            if ticket := await self.take():
                await asyncio.gather(asyncio.sleep(0.02), self.hand_in(ticket))


Roller: Any = ray.remote(num_cpus=0.1)(_Roller)


def get(answer: Any) -> Any:
    return ray.get(answer, timeout=60)


def taken(call: Call[Ticket | None]) -> Ticket:
    ticket = call.result(60)
    assert ticket is not None
    return ticket


def learn(ledger: LedgerClient, weights: WeightStoreClient, updates: range) -> list[list[JudgedGroup]]:
    trained: list[list[JudgedGroup]] = []
    for update in updates:
        groups = ledger.batch(0, 1, update, 30.0).result(60)
        assert groups is not None, f"update {update} starved: {ledger.counts().result(60)}"
        trained.append(groups)
        weights.publish(adapter(update + 1)).result(60)
        ledger.settle(update + 1, {"loss": 0.5}).result(60)
    return trained


def test_a_run_survives_the_death_of_a_rollout_actor_and_of_the_learner() -> None:
    ledger = spawn_ledger(prompts, num_cpus=0.1, **SETTINGS)
    weights = spawn_weight_store(num_cpus=0.1)
    weights.publish(adapter(0)).result(60)
    doomed, steady = (Roller.remote(name, ledger, weights) for name in ("doomed", "steady"))

    # The doomed actor hands one group in, takes all other tickets, and is killed.
    assert get(doomed.hand_in.remote(get(doomed.take.remote())))
    held = get(doomed.take.remote())
    for _ in range(4):
        get(doomed.take.remote())
    ray.kill(doomed)
    assert ledger.release("doomed").result(60) == 5
    assert not ledger.submit(held.id, "doomed", judged(held, adapter(0)), 0, {}).result(60)
    steady.roll.remote()

    learn(ledger, weights, range(2))
    # The learner dies after update 2 and has a checkpoint of update 1.
    weights.publish(adapter(1), rollback=True).result(60)
    ledger.rollback(1).result(60)
    trained = learn(ledger, weights, range(1, UPDATES))

    for update, groups in enumerate(trained, start=1):
        assert [g.trajectories.ticket.index for g in groups] == list(range(update * GROUPS, (update + 1) * GROUPS))
        assert all(0 <= update - g.trajectories.version <= LAG for g in groups)
        assert all((g.rewards == g.trajectories.version).all() for g in groups)
    counts = ledger.counts().result(60)
    assert counts["trained"] == GROUPS * UPDATES
    assert counts["admitted"] == counts["trained"] + sum(counts["dropped"].values())
    assert counts["dropped"]["actor died"] == 5
    assert counts["dropped"]["rolled back"] >= GROUPS

    events = ledger.events().result(60)
    assert [e["number"] for e in events] == list(range(1, len(events) + 1))
    assert ledger.events(len(events) - 2).result(60) == events[-2:]
    settled = [e for e in events if e["kind"] == "update"]
    assert [e["version"] for e in settled] == [1, 2, 2, 3, 4]
    assert all(e["loss"] == 0.5 and e["lag/max"] <= LAG and e["ticket/rolling"] >= 0 for e in settled)
    assert sum(e["kind"] == "drop" for e in events) == 5
    ray.kill(steady)


def test_the_groups_of_a_dead_actor_can_still_be_read() -> None:
    ledger = spawn_ledger(prompts, num_cpus=0.1, **SETTINGS)
    weights = spawn_weight_store(num_cpus=0.1)
    weights.publish(adapter(0)).result(60)
    actor = Roller.remote("a", ledger, weights)
    for _ in range(GROUPS):
        assert get(actor.hand_in.remote(get(actor.take.remote())))
    ray.kill(actor)
    groups = ledger.batch(0, 1, 0, 10.0).result(60) or []
    assert [g.trajectories.latents.shape[0] for g in groups] == [SAMPLES] * GROUPS


def test_each_rank_gets_its_own_groups_and_a_settled_version_is_refused() -> None:
    four: dict[str, Any] = SETTINGS | {"groups_per_update": 4, "max_lag": 0}
    ledger = spawn_ledger(prompts, num_cpus=0.1, **four)
    for _ in range(4):
        ticket = taken(ledger.next_ticket("a", 0.0))
        assert ledger.submit(ticket.id, "a", judged(ticket, adapter(0)), 0, {}).result(60)
    ranks = [ledger.batch(rank, 2, 0, 1.0).result(60) or [] for rank in range(2)]
    assert [[g.trajectories.ticket.index for g in groups] for groups in ranks] == [[0, 2], [1, 3]]
    early = ledger.batch(1, 2, 1, 0.2)
    assert early.result(60) is None, "the other rank has not settled yet"
    ledger.settle(1, {}).result(60)
    with pytest.raises(CallRefused, match="the learner is at version 0, but 1 is published"):
        ledger.batch(0, 2, 0, 1.0).result(60)


def test_an_adapter_is_fetched_once_and_evaluations_have_their_own() -> None:
    weights = spawn_weight_store(num_cpus=0.1)
    assert weights.evaluated().result(60) is None
    weights.publish(adapter(0), Adapter.pack(0, {"a": np.full(4, 0.5)})).result(60)
    first, average = weights.latest().result(60), weights.evaluated().result(60)
    assert first is not None
    assert average is not None
    assert (first.values.tolist(), average.values.tolist()) == ([0.0] * 4, [0.5] * 4)
    weights.publish(adapter(0)).result(60)  # the same once more changes nothing
    assert weights.latest().result(60) is first
    assert weights.evaluated().result(60) is average

    async def fetched() -> Adapter | None:
        return await weights.latest()

    weights.publish(adapter(1)).result(60)
    second = asyncio.run(fetched())
    assert second is not None
    assert second.version == 1
    assert weights.latest().result(60) is second
    newest = weights.evaluated().result(60)
    assert newest is not None
    assert newest.checksum() == second.checksum()


def test_waits_end_at_their_deadline_and_wake_as_soon_as_there_is_something() -> None:
    ledger = spawn_ledger(prompts, num_cpus=0.1, **ONE)
    weights = spawn_weight_store(num_cpus=0.1)
    assert weights.latest().result(60) is None
    assert weights.version().result(60) is None
    ticket = taken(ledger.next_ticket("a", 0.0))
    start = time.monotonic()
    assert ledger.next_ticket("a", 0.5).result(60) is None
    assert ledger.batch(0, 1, 0, 0.5).result(60) is None
    assert 1.0 <= time.monotonic() - start < 5.0
    waiting = ledger.next_ticket("a", 50.0)
    full = ledger.batch(0, 1, 0, 50.0)
    start = time.monotonic()
    ledger.submit(ticket.id, "a", judged(ticket, adapter(0)), 0, {}).result(60)
    assert len(full.result(60) or []) == 1
    ledger.settle(1, {}).result(60)
    assert taken(waiting).index == 1
    assert time.monotonic() - start < 5.0


def test_a_silent_actors_ticket_goes_to_whoever_waits_and_a_resumed_ledger_makes_it_again() -> None:
    ledger = spawn_ledger(prompts, num_cpus=0.1, deadline_s=1.0, **ONE)
    silent = taken(ledger.next_ticket("silent", 0.0))
    again = taken(ledger.next_ticket("b", 20.0))
    assert (again.index, again.seeds, again.attempt) == (silent.index, silent.seeds, 1)
    assert not ledger.judging(silent.id, "silent").result(60)
    state = ledger.state().result(60)
    resumed = spawn_ledger(prompts, num_cpus=0.1, state=state, **ONE)
    third = taken(resumed.next_ticket("c", 0.0))
    assert (third.index, third.seeds, third.attempt) == (silent.index, silent.seeds, 2)
    assert resumed.counts().result(60)["dropped"] == {"deadline": 1, "restored": 1}


def test_a_resumed_ledger_repeats_the_updates_that_were_not_taken() -> None:
    async def run() -> None:
        ledger = LedgerActor(prompts, **ONE)
        for version in (0, 1):
            ticket = await ledger.next_ticket("a", 0.0)
            assert ticket is not None
            summary = {"images": 2, "audit": [b"not for the books"]}
            assert await ledger.submit(ticket.id, "a", judged(ticket, adapter(version)), version, summary)
            assert await ledger.batch(0, 1, version, 0.0)
            await ledger.settle(version + 1, {"loss": 0.5})
        taken_rows = (await ledger.events(0))[:2]
        assert [e["kind"] for e in taken_rows] == ["group", "update"]
        await ledger.events(taken_rows[-1]["number"])
        saved = json.loads(json.dumps(await ledger.state()))
        update, resume = await LedgerActor(prompts, state=saved, **ONE).events(0)
        assert resume["kind"] == "resume"
        assert (update["kind"], update["version"], update["loss"]) == ("update", 2, 0.5)
        assert update["groups"] == [{"images": 2}]

    asyncio.run(run())
