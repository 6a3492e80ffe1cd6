"""The ledger and the weight store as actors of a real local Ray."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray.exceptions import RayTaskError

from actors.adapter import Adapter
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup, Trajectories
from cluster.errors import RunStopped
from cluster.ledger.ray_actors import LedgerActor, spawn_ledger, spawn_weight_store
from cluster.run.background import Background
from learners.sources.source import TrainingStopped

pytestmark = pytest.mark.system

GROUPS, SAMPLES, UPDATES, LAG = 3, 2, 4, 1
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "groups_per_update": GROUPS,
    "samples_per_prompt": SAMPLES,
    "max_lag": LAG,
    "updates": UPDATES,
}
ONE: dict[str, Any] = SETTINGS | {"groups_per_update": 1, "max_lag": 0}


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    if ray.is_initialized():  # another test's, shared by the session
        yield
        return
    # Socket paths may have 107 bytes, which pytest's own temporary directories would exceed.
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200 * 2**20, _temp_dir=folder)
        yield
        ray.shutdown()


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

    def __init__(self, name: str, ledger: Any, weights: Any) -> None:
        self.name, self.ledger, self.weights = name, ledger, weights

    async def take(self) -> Ticket | None:
        return await self.ledger.next_ticket.remote(self.name, 5.0)

    async def hand_in(self, ticket: Ticket) -> bool:
        weights = await self.weights.latest.remote()
        await self.ledger.judging.remote(ticket.id, self.name)
        group = judged(ticket, weights)
        return await self.ledger.submit.remote(ticket.id, self.name, group, weights.version, {"reward": 1.0})

    async def roll(self) -> None:
        while True:
            if ticket := await self.take():
                await asyncio.gather(asyncio.sleep(0.02), self.hand_in(ticket))


Roller: Any = ray.remote(num_cpus=0.1)(_Roller)


def get(answer: Any) -> Any:
    return ray.get(answer, timeout=60)


def learn(ledger: Any, weights: Any, updates: range) -> list[list[JudgedGroup]]:
    trained = []
    for update in updates:
        refs = get(ledger.batch.remote(0, 1, update, 30.0))
        assert refs is not None, f"update {update} starved: {get(ledger.counts.remote())}"
        trained.append(get(refs))
        get(weights.publish.remote(adapter(update + 1)))
        get(ledger.settle.remote(update + 1, {"loss": 0.5}))
    return trained


def test_a_run_survives_the_death_of_a_rollout_actor_and_of_the_learner() -> None:
    ledger = spawn_ledger(prompts, num_cpus=0.1, **SETTINGS)
    weights = spawn_weight_store(num_cpus=0.1)
    get(weights.publish.remote(adapter(0)))
    doomed, steady = (Roller.remote(name, ledger, weights) for name in ("doomed", "steady"))

    # The doomed actor hands one group in, takes all other tickets, and is killed.
    assert get(doomed.hand_in.remote(get(doomed.take.remote())))
    held = get(doomed.take.remote())
    for _ in range(4):
        get(doomed.take.remote())
    ray.kill(doomed)
    assert get(ledger.release.remote("doomed")) == 5
    assert not get(ledger.submit.remote(held.id, "doomed", judged(held, adapter(0)), 0, {}))
    steady.roll.remote()

    learn(ledger, weights, range(2))
    # The learner dies after update 2 and has a checkpoint of update 1.
    get(weights.publish.remote(adapter(1), rollback=True))
    get(ledger.rollback.remote(1))
    trained = learn(ledger, weights, range(1, UPDATES))

    for update, groups in enumerate(trained, start=1):
        assert [g.trajectories.ticket.index for g in groups] == list(range(update * GROUPS, (update + 1) * GROUPS))
        assert all(0 <= update - g.trajectories.version <= LAG for g in groups)
        assert all((g.rewards == g.trajectories.version).all() for g in groups)
    counts = get(ledger.counts.remote())
    assert counts["trained"] == GROUPS * UPDATES
    assert counts["admitted"] == counts["trained"] + sum(counts["dropped"].values())
    assert counts["dropped"]["actor died"] == 5
    assert counts["dropped"]["rolled back"] >= GROUPS

    events = get(ledger.events.remote())
    assert [e["number"] for e in events] == list(range(1, len(events) + 1))
    assert get(ledger.events.remote(len(events) - 2)) == events[-2:]
    settled = [e for e in events if e["kind"] == "update"]
    assert [e["version"] for e in settled] == [1, 2, 2, 3, 4]
    assert all(e["loss"] == 0.5 and e["lag/max"] <= LAG and e["ticket/rolling"] >= 0 for e in settled)
    assert sum(e["kind"] == "drop" for e in events) == 5
    ray.kill(steady)


def test_a_dead_actors_waiting_request_takes_no_ticket() -> None:
    async def die_while_waiting() -> tuple[Ticket | None, Ticket | None]:
        ledger = LedgerActor(
            prompts, **ONE
        )  # the same object, without a process of its own: Ray keeps no order of calls
        held = await ledger.next_ticket("doomed", 0.0)
        waiting = asyncio.create_task(ledger.next_ticket("doomed", 0.5))
        await asyncio.sleep(0.1)
        assert await ledger.release("doomed") == 1
        assert await waiting is None
        return held, await ledger.next_ticket("steady", 0.0)

    held, again = asyncio.run(die_while_waiting())
    assert held is not None
    assert again is not None
    assert again.seeds == held.seeds


def test_the_groups_of_a_dead_actor_can_still_be_read() -> None:
    ledger = spawn_ledger(prompts, num_cpus=0.1, **SETTINGS)
    weights = spawn_weight_store(num_cpus=0.1)
    get(weights.publish.remote(adapter(0)))
    actor = Roller.remote("a", ledger, weights)
    for _ in range(GROUPS):
        assert get(actor.hand_in.remote(get(actor.take.remote())))
    ray.kill(actor)
    refs = get(ledger.batch.remote(0, 1, 0, 10.0))
    assert [g.trajectories.latents.shape[0] for g in get(refs)] == [SAMPLES] * GROUPS


def test_each_rank_gets_its_own_groups_and_a_settled_version_is_refused() -> None:
    four: dict[str, Any] = SETTINGS | {"groups_per_update": 4, "max_lag": 0}
    ledger = spawn_ledger(prompts, num_cpus=0.1, **four)
    for _ in range(4):
        ticket = get(ledger.next_ticket.remote("a", 0.0))
        assert get(ledger.submit.remote(ticket.id, "a", judged(ticket, adapter(0)), 0, {}))
    ranks = [get(get(ledger.batch.remote(rank, 2, 0, 1.0))) for rank in range(2)]
    assert [[g.trajectories.ticket.index for g in groups] for groups in ranks] == [[0, 2], [1, 3]]
    early = ledger.batch.remote(1, 2, 1, 0.2)
    assert get(early) is None, "the other rank has not settled yet"
    get(ledger.settle.remote(1, {}))
    with pytest.raises(RayTaskError, match="the learner is at version 0, but 1 is published"):
        get(ledger.batch.remote(0, 2, 0, 1.0))


def test_waits_end_at_their_deadline_and_wake_as_soon_as_there_is_something() -> None:
    ledger = spawn_ledger(prompts, num_cpus=0.1, **ONE)
    weights = spawn_weight_store(num_cpus=0.1)
    assert get(weights.latest.remote()) is None
    assert get(weights.version.remote()) is None
    ticket = get(ledger.next_ticket.remote("a", 0.0))
    start = time.monotonic()
    assert get(ledger.next_ticket.remote("a", 0.5)) is None
    assert get(ledger.batch.remote(0, 1, 0, 0.5)) is None
    assert 1.0 <= time.monotonic() - start < 5.0
    waiting = ledger.next_ticket.remote("a", 50.0)
    full = ledger.batch.remote(0, 1, 0, 50.0)
    start = time.monotonic()
    get(ledger.submit.remote(ticket.id, "a", judged(ticket, adapter(0)), 0, {}))
    assert len(get(full)) == 1
    get(ledger.settle.remote(1, {}))
    assert get(waiting).index == 1
    assert time.monotonic() - start < 5.0


def test_a_silent_actors_ticket_goes_to_whoever_waits_and_a_resumed_ledger_makes_it_again() -> None:
    ledger = spawn_ledger(prompts, num_cpus=0.1, deadline_s=1.0, **ONE)
    silent = get(ledger.next_ticket.remote("silent", 0.0))
    again = get(ledger.next_ticket.remote("b", 20.0))
    assert (again.index, again.seeds, again.attempt) == (silent.index, silent.seeds, 1)
    assert not get(ledger.judging.remote(silent.id, "silent"))
    state = get(ledger.state.remote())
    resumed = spawn_ledger(prompts, num_cpus=0.1, state=state, **ONE)
    third = get(resumed.next_ticket.remote("c", 0.0))
    assert (third.index, third.seeds, third.attempt) == (silent.index, silent.seeds, 2)
    assert get(resumed.counts.remote())["dropped"] == {"deadline": 1, "restored": 1}


def test_events_that_were_taken_are_forgotten_and_a_drop_keeps_its_record() -> None:
    async def run() -> None:
        ledger = LedgerActor(prompts, **ONE)
        ticket = await ledger.next_ticket("a", 0.0)
        assert ticket is not None
        record: Any = ["what the judges said"]
        await ledger.drop(ticket.id, "unscored", record)
        assert [(e["number"], e["audit"]) for e in await ledger.events(0)] == [(1, record)]
        assert await ledger.next_ticket("a", 0.0) is not None
        assert await ledger.release("a") == 1
        for _ in range(2):
            assert [e["number"] for e in await ledger.events(1)] == [2], "an answer that was lost can be had again"
        assert [e["number"] for e in await ledger.events(0)] == [2]

    asyncio.run(run())


def test_updates_that_nobody_heard_of_are_told_by_the_ledger_that_continues() -> None:
    async def run() -> None:
        ledger = LedgerActor(prompts, **ONE)
        for version in (0, 1):
            ticket = await ledger.next_ticket("a", 0.0)
            assert ticket is not None
            summary = {"images": 2, "audit": [b"not for the books"]}
            assert await ledger.submit(ticket.id, "a", judged(ticket, adapter(version)), version, summary)
            assert await ledger.batch(0, 1, version, 0.0)
            await ledger.settle(version + 1, {"loss": 0.5})
        heard = (await ledger.events(0))[:2]
        assert [e["kind"] for e in heard] == ["group", "update"]
        await ledger.events(heard[-1]["number"])
        saved = json.loads(json.dumps(await ledger.state()))
        update, resume = await LedgerActor(prompts, state=saved, **ONE).events(0)
        assert resume["kind"] == "resume"
        assert (update["kind"], update["version"], update["loss"]) == ("update", 2, 0.5)
        assert update["groups"] == [{"images": 2}]

    asyncio.run(run())


def test_a_worker_that_waits_for_a_batch_hears_at_once_that_the_run_was_stopped() -> None:
    async def run() -> None:
        ledger = LedgerActor(prompts, **ONE)
        waiting = asyncio.create_task(ledger.batch(0, 1, 0, 300.0))
        await asyncio.sleep(0.01)
        assert await ledger.stop() == 0
        assert await asyncio.wait_for(waiting, 60) == []

    asyncio.run(run())


def test_work_in_the_background_leaves_the_caller_free_and_returns_its_result(tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def waits(path: Path) -> int:
        while not path.exists():
            time.sleep(0.02)
        return os.getpid()

    work = Background("learner", waits, gate)
    work.wait(0.2)
    assert work.running()
    gate.touch()
    work.wait(30)
    assert not work.running()
    assert work.result() != os.getpid()


def test_work_in_the_background_raises_what_it_raised_and_says_if_its_process_died() -> None:
    def fails() -> None:
        raise TrainingStopped("a gradient is not finite")

    def dies() -> None:
        os._exit(1)

    with pytest.raises(TrainingStopped, match=r"^a gradient is not finite$"):
        Background("learner", fails).result()
    with pytest.raises(RunStopped, match="the process of the learner died"):
        Background("learner", dies).result()
