"""The rollout loop against the real ledger: what it hands in, how it overlaps, and what it does when things fail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neighbours import LocalJury, LocalLedger, LocalWeights

from actors.adapter import Adapter
from actors.audit import Auditor
from actors.config import ActorsConfig, AuditConfig, PolicyConfig, SamplerConfig
from actors.policy import Policy
from actors.rollout import Rollout, RolloutError
from actors.sampler import Sampler
from rewards.config import RewardsConfig
from rewards.kinds import judge_config
from rewards.panel import Panel
from rewards.verdict import Verdict

REWARDS = RewardsConfig(judges={"jpeg": judge_config(kind="jpeg")})


def new_policy(folder: Path) -> Policy:
    return Policy.load(PolicyConfig(model=str(folder)), seed=0)


@pytest.fixture(scope="module")
def policy(tiny_policy_dir: Path) -> Policy:
    return new_policy(tiny_policy_dir)


@pytest.fixture(scope="module")
def zero(policy: Policy) -> Adapter:
    return policy.adapter(0)


@pytest.fixture
def sampler(policy: Policy, zero: Adapter) -> Sampler:
    policy.load_adapter(zero)
    return Sampler(policy, SamplerConfig(steps=2, guidance=1.0))


def rollout(
    sampler: Sampler,
    ledger: Any,
    weights: Any = None,
    jury: Any = None,
    rewards: RewardsConfig = REWARDS,
    **config: Any,
) -> Rollout:
    settings = {"poll_s": 0.05, "call_deadline_s": 5.0, "ticket_deadline_s": 30.0} | config
    return Rollout(
        "rollout-0",
        sampler,
        Panel(rewards),
        ActorsConfig(**settings),
        ledger=ledger,
        weights=weights or LocalWeights(sampler.policy.adapter(0)),
        jury=jury or LocalJury(),
        auditor=Auditor(AuditConfig(), ["jpeg"]),
    )


async def until(condition: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def run(actor: Rollout, learning: Any) -> Any:
    """Rolls until the learner is done; a rollout that fails first fails the test."""
    rolling, learner = asyncio.create_task(actor.roll()), asyncio.create_task(learning)
    async with asyncio.timeout(60):
        await asyncio.wait([rolling, learner], return_when=asyncio.FIRST_COMPLETED)
        if rolling.done():
            learner.cancel()
            await rolling
        actor.stop()
        await rolling
        return await learner


def shifted(zero: Adapter, version: int) -> Adapter:
    """Weights that are another for each version, as training makes them."""
    noise = np.random.default_rng(version).normal(size=zero.values.shape).astype(np.float32)
    return Adapter(version, zero.names, zero.shapes, zero.values + 0.2 * noise)


@pytest.mark.parametrize("max_lag", [0, 2])
def test_every_group_is_made_by_one_published_version_and_can_be_made_again(
    sampler: Sampler, zero: Adapter, tiny_policy_dir: Path, max_lag: int
) -> None:
    ledger, weights = LocalLedger(max_lag=max_lag, updates=4), LocalWeights()
    batches = asyncio.run(run(rollout(sampler, ledger, weights), ledger.learn(weights, lambda v: shifted(zero, v))))
    other = Sampler(new_policy(tiny_policy_dir), sampler.config)
    judge = LocalJury().judge
    assert [g.trajectories.ticket.place for batch in batches for g in batch] == list(range(8))
    for update, batch in enumerate(batches):
        for group in batch:
            made = group.trajectories
            assert update - max_lag <= made.version <= update
            other.policy.load_adapter(shifted(zero, made.version) if made.version else zero)
            again = other.sample(made.ticket, made.version)
            assert np.array_equal(again.latents, made.latents)
            assert np.array_equal(again.log_probs, made.log_probs)
            prompts = [made.ticket.prompt] * len(made)
            assert group.rewards.tolist() == [np.float32(v.value) for v in judge.judge(made.images, prompts)]
            assert set(group.seconds) == {"rolling", "judging"}


def test_books_and_stats_agree_on_what_was_made(sampler: Sampler, zero: Adapter) -> None:
    ledger, weights = LocalLedger(updates=3), LocalWeights(zero)
    actor = rollout(sampler, ledger, weights)
    asyncio.run(run(actor, ledger.learn(weights)))
    stats = actor.stats()
    assert (stats["groups"], stats["images"], stats["errors"], stats["dropped"]) == (6, 12, 0, {})
    assert ledger.books.counts()["trained"] == 6
    assert 0 < stats["idle_share"] < 1
    assert stats["images_per_s"] == pytest.approx(12 / stats["elapsed_s"])
    loop = sum(seconds for span, seconds in stats["seconds"].items() if span != "judging")
    assert loop == pytest.approx(stats["elapsed_s"])


def test_judging_overlaps_the_denoising_of_the_next_group(sampler: Sampler, zero: Adapter) -> None:
    ledger = LocalLedger(groups_per_update=3, updates=1)

    class PatientJury(LocalJury):
        """The first group's verdicts come only when the second group is being denoised."""

        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            if self.asked == 0:
                self.asked += 1
                await until(lambda: len(ledger.taken) == 2 and denoised[-1] == 2, seconds=5)
            return await super().verdicts(images, prompts, metadata)

    denoised: list[int] = [0]
    hook = sampler.policy.unet.register_forward_hook(lambda *_: denoised.append(len(ledger.taken)))
    weights, jury = LocalWeights(zero), PatientJury()
    actor = rollout(sampler, ledger, weights, jury)
    asyncio.run(run(actor, ledger.learn(weights)))
    hook.remove()
    assert actor.stats()["errors"] == 0


def test_no_ticket_is_taken_while_too_many_groups_are_with_the_judges(sampler: Sampler, zero: Adapter) -> None:
    ledger, weights = LocalLedger(groups_per_update=6, updates=1), LocalWeights(zero)
    gate = asyncio.Event()

    class ClosedJury(LocalJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            await gate.wait()
            return await super().verdicts(images, prompts, metadata)

    actor = rollout(sampler, ledger, weights, ClosedJury(), judging_groups=2)

    async def scenario() -> None:
        learner = asyncio.create_task(ledger.learn(weights))
        rolling = asyncio.create_task(actor.roll())
        # Two with the judges while the third is denoised; then all three are with the judges, and nothing more.
        await until(lambda: actor.stats()["with_judges"] == 3)
        await asyncio.sleep(0.2)
        assert len(ledger.taken) == 3
        gate.set()
        await learner
        actor.stop()
        await rolling

    asyncio.run(scenario())
    assert actor.stats()["seconds"]["waiting_judges"] > 0.15


def test_a_group_with_an_unscored_picture_is_dropped_whole_and_drawn_anew(sampler: Sampler, zero: Adapter) -> None:
    class Abstaining(LocalJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            given = await super().verdicts(images, prompts, metadata)
            if self.asked == 2:
                given["jpeg"][1] = Verdict("jpeg", "abstain", text="no idea")
            return given

    ledger, weights = LocalLedger(), LocalWeights(zero)
    actor = rollout(sampler, ledger, weights, Abstaining())
    batches = asyncio.run(run(actor, ledger.learn(weights)))
    assert ledger.drops == ["unscored: jpeg: abstain"]
    assert actor.stats()["dropped"] == {"unscored: jpeg: abstain": 1}
    bad, redrawn = ledger.taken[1], batches[0][1].trajectories.ticket
    assert (redrawn.place, redrawn.prompt, redrawn.attempt) == (bad.place, bad.prompt, 1)
    assert set(redrawn.seeds).isdisjoint(bad.seeds)
    assert all(np.isfinite(group.rewards).all() for batch in batches for group in batch)
    # The dropped group is on record, too, with what the judges said and no reward where there was none.
    record = {(p.ticket, p.sample): p for p in ledger.audit}
    assert len(record) == len(ledger.audit) == 5 * 2
    assert record[bad.id, 1].reward is None
    assert record[bad.id, 1].verdicts["jpeg"].text == "no idea"
    trained = [group for batch in batches for group in batch]
    assert [record[g.trajectories.ticket.id, 0].reward for g in trained] == [float(g.rewards[0]) for g in trained]


class Raising(LocalJury):
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
    assert ledger.drops == ["error: OSError"] * 2
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
    class EverySecond(LocalJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            given = await super().verdicts(images, prompts, metadata)
            if self.asked % 2:
                raise OSError("every second time")
            return given

    ledger, weights = LocalLedger(updates=3), LocalWeights(zero)
    actor = rollout(sampler, ledger, weights, EverySecond(), same_error_limit=2, judging_groups=1)
    asyncio.run(run(actor, ledger.learn(weights)))
    assert actor.stats()["errors"] >= 5


def test_a_failing_judge_ends_the_run_at_once_where_the_user_asked_for_it(sampler: Sampler) -> None:
    class Broken(LocalJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            return {"jpeg": [Verdict("jpeg", "error", text="out of memory")] * len(images)}

    rewards = RewardsConfig(judges={"jpeg": judge_config(kind="jpeg")}, on_error="stop")
    actor = rollout(sampler, LocalLedger(), jury=Broken(), rewards=rewards)
    with pytest.raises(RolloutError, match=r"rollout-0: judge jpeg failed: out of memory"):
        asyncio.run(asyncio.wait_for(actor.roll(), 30))


def test_judges_that_never_answer_cost_the_group_at_its_deadline(sampler: Sampler, zero: Adapter) -> None:
    class Silent(LocalJury):
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

    class Thief(LocalJury):
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
    assert (again.place, again.seeds) == (lost.place, lost.seeds)
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


def test_an_empty_weight_store_in_a_resumed_run_is_waited_for(sampler: Sampler, zero: Adapter) -> None:
    ledger, weights = LocalLedger(updates=4), LocalWeights()
    ledger.books.restore(LocalLedger(updates=4).books.state() | {"published": 3, "in_flight": []})

    async def late() -> list[Any]:
        await until(lambda: len(ledger.taken) == 1)
        await asyncio.sleep(0.3)
        weights.adapter = shifted(zero, 3)
        return await ledger.learn(weights)

    (batch,) = asyncio.run(run(rollout(sampler, ledger, weights), late()))
    assert [g.trajectories.version for g in batch] == [3, 3]


def test_evaluation_uses_the_newest_adapter_unless_told_and_goes_between_groups(
    sampler: Sampler, zero: Adapter, tiny_policy_dir: Path
) -> None:
    class Remembering(LocalJury):
        seen: Sequence[Mapping[str, Any]] = ()

        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            if "n" in metadata[0]:
                self.seen = [*self.seen, *metadata]
            return await super().verdicts(images, prompts, metadata)

    ledger, weights, jury = LocalLedger(updates=4), LocalWeights(zero), Remembering()
    small = Sampler(sampler.policy, SamplerConfig(steps=2, guidance=1.0, max_batch=2))
    actor = rollout(small, ledger, weights, jury)
    prompts, seeds, metadata = ["a red cat", "a dog", "a giraffe"], [1, 2, 3], [{"n": i} for i in range(3)]

    async def scenario() -> tuple[dict[str, Any], dict[str, Any]]:
        rolling = asyncio.create_task(run(actor, ledger.learn(weights, lambda v: shifted(zero, v))))
        base = await actor.evaluate(prompts, seeds, metadata, adapter=zero)
        await rolling
        return base, await actor.evaluate(prompts, seeds, metadata)

    base, newest = asyncio.run(scenario())
    plain = Sampler(new_policy(tiny_policy_dir), small.config)
    assert (base["version"], newest["version"]) == (0, 4)
    assert np.array_equal(base["images"], plain.images(prompts, seeds))
    plain.policy.load_adapter(shifted(zero, 4))
    assert np.array_equal(newest["images"], plain.images(prompts, seeds))
    assert [v.value for v in newest["verdicts"]["jpeg"]] == [
        v.value for v in LocalJury().judge.judge(newest["images"], prompts)
    ]
    assert jury.seen == metadata * 2


def test_two_rolls_of_one_actor_at_a_time_are_refused(sampler: Sampler) -> None:
    actor = rollout(sampler, LocalLedger(updates=1))

    async def scenario() -> None:
        rolling = asyncio.create_task(actor.roll())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="rolling already"):
            await actor.roll()
        actor.stop()
        await rolling

    asyncio.run(scenario())


def test_stopping_hands_in_what_was_begun(sampler: Sampler) -> None:
    ledger = LocalLedger(groups_per_update=4, updates=1)
    actor = rollout(sampler, ledger)

    async def scenario() -> None:
        rolling = asyncio.create_task(actor.roll())
        await until(lambda: len(ledger.taken) == 2)
        actor.stop()
        await asyncio.wait_for(rolling, 20)

    asyncio.run(scenario())
    counts = ledger.books.counts()
    assert counts["rolling"] == counts["judging"] == 0
    assert counts["ready"] == len(ledger.taken)
