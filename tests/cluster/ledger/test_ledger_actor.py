# pyright: strict
"""The ledger's actor as a plain object, without Ray: what it waits for, and what its log says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from actors.ticket import Ticket
from cluster.ledger.ray_actors import LedgerActor

OFFLINE: dict[str, Any] = {"seed": 0, "groups_per_update": 0, "samples_per_prompt": 2, "max_lag": 0, "updates": 4}
SETTINGS: dict[str, Any] = {"seed": 0, "groups_per_update": 1, "samples_per_prompt": 2, "max_lag": 0, "updates": 4}


def ledger(state: Any = None) -> LedgerActor:
    return LedgerActor(lambda index: (f"prompt {index}", {}), state=state, **SETTINGS)


def test_a_dead_actors_waiting_request_takes_no_ticket() -> None:
    async def die_while_waiting() -> tuple[Ticket | None, Ticket | None]:
        actor = ledger()
        held = await actor.next_ticket("doomed", 0.0)
        waiting = asyncio.create_task(actor.next_ticket("doomed", 0.5))
        await asyncio.sleep(0.1)
        assert await actor.release("doomed") == 1
        assert await waiting is None
        return held, await actor.next_ticket("steady", 0.0)

    held, again = asyncio.run(die_while_waiting())
    assert held is not None
    assert again is not None
    assert again.seeds == held.seeds


def test_events_that_were_taken_are_forgotten_and_a_drop_keeps_its_verdicts() -> None:
    async def run() -> None:
        actor = ledger()
        ticket = await actor.next_ticket("a", 0.0)
        assert ticket is not None
        verdicts: Any = ["what the judges said"]
        await actor.drop(ticket.id, "unscored", verdicts)
        assert [(e["number"], e["audit"]) for e in await actor.events(0)] == [(1, verdicts)]
        assert await actor.next_ticket("a", 0.0) is not None
        assert await actor.release("a") == 1
        for _ in range(2):
            assert [e["number"] for e in await actor.events(1)] == [2], "an answer that was lost can be had again"
        assert [e["number"] for e in await actor.events(0)] == [2]

    asyncio.run(run())


def test_stopping_a_run_ends_the_wait_for_a_batch_at_once() -> None:
    async def run() -> None:
        actor = ledger()
        waiting = asyncio.create_task(actor.batch(0, 1, 0, 300.0))
        await asyncio.sleep(0.01)
        assert await actor.stop() == 0
        assert await asyncio.wait_for(waiting, 60) == []

    asyncio.run(run())


def test_an_update_that_is_repeated_keeps_its_time() -> None:
    async def run() -> None:
        row: dict[str, Any] = {"version": 0, "groups": [], "loss": 0.5}
        state: dict[str, Any] = {**await ledger().state(), "unreported": [row | {"time": 1000.0}]}
        for _ in range(2):
            resumed = ledger(state)
            update, resume = await resumed.events(0)
            assert (update["number"], update["kind"], update["time"], update["loss"]) == (1, "update", 1000.0, 0.5)
            assert (resume["number"], resume["kind"]) == (2, "resume")
            assert resume["time"] > 1000.0
            state = json.loads(json.dumps(await resumed.state()))
        (update, _) = await ledger({**state, "unreported": [row]}).events(0)
        assert update["time"] > 1000.0, "a checkpoint of before has no time to keep"

    asyncio.run(run())


def test_the_ledger_of_an_offline_run_has_no_tickets_and_counts_its_updates() -> None:
    async def run() -> list[dict[str, Any]]:
        actor = LedgerActor(lambda index: (f"prompt {index}", {}), **OFFLINE)
        assert await actor.next_ticket("a", 0.0) is None
        assert await actor.begin(0, 0.0) is True
        assert await actor.begin(1, 0.01) is None, "a rank that is ahead of the settlement has no answer yet"
        ahead = asyncio.create_task(actor.begin(1, 5.0))
        await actor.settle(1, {"loss": 0.5, "pictures": 8.0})
        assert await ahead is True
        await actor.settle(1, {"loss": 0.5})
        restored = LedgerActor(
            lambda index: (f"prompt {index}", {}),
            state=json.loads(json.dumps(await actor.state())),
            **OFFLINE,
        )
        assert (await restored.counts())["published"] == 1
        assert await actor.rollback(0) == 0
        assert await actor.begin(0, 0.0) is True
        return await actor.events()

    events = asyncio.run(run())
    assert [event["kind"] for event in events] == ["update", "rollback"], "an update is settled once"
    assert events[0]["loss"] == 0.5
    assert events[0]["groups"] == []


def test_an_offline_run_that_is_stopped_ends_after_the_update_that_any_rank_has_begun() -> None:
    async def run() -> None:
        actor = LedgerActor(lambda index: (f"prompt {index}", {}), **OFFLINE)
        assert await actor.begin(0, 0.0) is True
        assert await actor.stop() == 1
        assert await actor.begin(0, 0.0) is True, "the other rank of the same update"
        await actor.settle(1, {})
        assert await actor.begin(1, 0.0) is False

    asyncio.run(run())
