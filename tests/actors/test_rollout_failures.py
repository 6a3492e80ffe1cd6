"""The rollout loop when judges, ledger, weights or its own earlier life fail it."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from local_services import JpegJury, LocalLedger, LocalWeights
from rolling import rollout, run, shifted, until

from actors.adapter import Adapter
from actors.diffusion.sampler import Sampler
from actors.error_budget import RolloutError
from rewards.config import RewardsConfig
from rewards.registry import judge_config
from rewards.verdict import Verdict


class Raising(JpegJury):
    """Raises `errors` one after the other, then works."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
        if self.errors:
            raise self.errors.pop(0)
        return await super().verdicts(images, prompts, metadata)


def test_an_error_costs_its_group_and_nothing_else(sampler: Sampler, zero: Adapter) -> None:
    ledger, weights = LocalLedger(), LocalWeights(zero)
    actor = rollout(sampler, ledger, weights, Raising(OSError("no route"), OSError("no route")), same_error_limit=3)
    asyncio.run(run(actor, ledger.learn(weights)))
    assert ledger.drops == ["error: OSError (no route)"] * 2
    assert actor.stats()["errors"] == 2
    assert ledger.books.counts()["trained"] == 4


def test_the_same_error_again_and_again_ends_the_actor_and_says_why(sampler: Sampler) -> None:
    ledger = LocalLedger(updates=3)
    jury = Raising(*(OSError(f"no route to judge {i}") for i in range(9)))
    actor = rollout(sampler, ledger, jury=jury, same_error_limit=3, judging_groups=1)
    message = r"rollout-0: the same error 3 times in a row \(actors\.same_error_limit\), .*OSError: no route to judge 2"
    with pytest.raises(RolloutError, match=message) as caught:
        asyncio.run(asyncio.wait_for(actor.roll(), 30))
    assert isinstance(caught.value.__cause__, OSError)
    counts = ledger.books.counts()
    assert counts["rolling"] == counts["judging"] == 0


def test_different_errors_in_turn_do_not_end_the_actor(sampler: Sampler, zero: Adapter) -> None:
    ledger, weights = LocalLedger(), LocalWeights(zero)
    errors = [OSError("a"), KeyError("b"), OSError("c"), KeyError("d"), OSError("e")]
    actor = rollout(sampler, ledger, weights, Raising(*errors), same_error_limit=2)
    asyncio.run(run(actor, ledger.learn(weights)))
    assert actor.stats()["errors"] == 5


def test_a_success_between_forgives_the_errors_before_it(sampler: Sampler, zero: Adapter) -> None:
    class EverySecond(JpegJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            given = await super().verdicts(images, prompts, metadata)
            # Two groups may be with the judges: each waits until what became of the one before it has been noted.
            earlier, fails = self.asked // 2, self.asked % 2
            await until(lambda: actor.stats()["groups" if fails else "errors"] >= earlier)
            if fails:
                raise OSError("every second time")
            return given

    ledger, weights = LocalLedger(updates=3), LocalWeights(zero)
    actor = rollout(sampler, ledger, weights, EverySecond(), same_error_limit=2, judging_groups=1)
    asyncio.run(run(actor, ledger.learn(weights)))
    assert actor.stats()["errors"] >= 5


def test_a_failing_judge_ends_the_run_at_once_where_the_user_asked_for_it(sampler: Sampler) -> None:
    class Broken(JpegJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            return {"jpeg": [Verdict("jpeg", "error", text="out of memory")] * len(images)}

    rewards = RewardsConfig(judges={"jpeg": judge_config(kind="jpeg")}, on_error="stop")
    actor = rollout(sampler, LocalLedger(), jury=Broken(), rewards=rewards)
    with pytest.raises(RolloutError, match=r"rollout-0: judge jpeg failed: out of memory"):
        asyncio.run(asyncio.wait_for(actor.roll(), 30))


def test_judges_that_never_answer_cost_the_group_at_its_deadline(sampler: Sampler, zero: Adapter) -> None:
    class Silent(JpegJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            if self.asked == 0:
                self.asked += 1
                await asyncio.sleep(3600)
            return await super().verdicts(images, prompts, metadata)

    ledger, weights = LocalLedger(updates=1), LocalWeights(zero)
    actor = rollout(sampler, ledger, weights, Silent(), ticket_deadline_s=1.0, call_deadline_s=0.5)
    asyncio.run(run(actor, ledger.learn(weights)))
    assert ledger.drops == ["error: TimeoutError"]


def test_a_ledger_that_never_answers_ends_the_actor(sampler: Sampler) -> None:
    class Silent(LocalLedger):
        async def next_ticket(self, actor: str, wait_s: float) -> None:
            await asyncio.sleep(3600)

    actor = rollout(sampler, Silent(), call_deadline_s=0.1, same_error_limit=2)
    with pytest.raises(RolloutError, match=r"the same error 2 times .* the request for a ticket: TimeoutError"):
        asyncio.run(asyncio.wait_for(actor.roll(), 30))


def test_a_group_whose_ticket_was_taken_away_is_not_handed_in(sampler: Sampler, zero: Adapter) -> None:
    ledger, weights = LocalLedger(updates=1), LocalWeights(zero)

    class Thief(JpegJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            given = await super().verdicts(images, prompts, metadata)
            if self.asked == 1:
                ledger.books.release("rollout-0", "deadline")
            return given

    actor = rollout(sampler, ledger, weights, Thief())
    batches = asyncio.run(run(actor, ledger.learn(weights)))
    stats = actor.stats()
    assert stats["fenced"] >= 1
    assert (stats["errors"], stats["groups"]) == (0, 2)
    assert batches[0][0].trajectories.ticket.seeds == ledger.taken[0].seeds


def test_an_actor_that_comes_back_gives_up_what_its_earlier_life_held(sampler: Sampler, zero: Adapter) -> None:
    ledger, weights = LocalLedger(updates=1), LocalWeights(zero)
    lost = ledger.books.next_ticket("rollout-0")
    assert lost is not None
    batches = asyncio.run(run(rollout(sampler, ledger, weights), ledger.learn(weights)))
    again = batches[0][0].trajectories.ticket
    assert ledger.books.counts()["dropped"] == {"actor died": 1}
    assert (again.index, again.seeds) == (lost.index, lost.seeds)
    assert again.id != lost.id


def test_weights_that_a_rollback_replaced_under_the_same_version_are_loaded(sampler: Sampler, zero: Adapter) -> None:
    first, second = shifted(zero, 1), Adapter(1, zero.names, zero.shapes, shifted(zero, 2).values)
    actor = rollout(sampler, LocalLedger())

    async def scenario() -> None:
        seeds = (3, 4)
        drawn = [(await actor.evaluate(["a red cat"] * 2, seeds, adapter=a))["images"] for a in (first, second, first)]
        assert not np.array_equal(drawn[0], drawn[1])
        assert np.array_equal(drawn[0], drawn[2])

    asyncio.run(scenario())


def test_nothing_is_drawn_with_version_0_when_updates_are_published(sampler: Sampler) -> None:
    ledger = LocalLedger(updates=4)
    ledger.books.restore(LocalLedger(updates=4).books.state() | {"published": 3, "in_flight": []})
    with pytest.raises(RolloutError, match="3 updates are published, but the store is empty"):
        asyncio.run(rollout(sampler, ledger, LocalWeights()).roll())
