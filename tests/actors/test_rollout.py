"""The rollout loop against the real ledger: what it hands in, and how it overlaps."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from local_services import JpegJury, LocalLedger, LocalWeights
from rolling import new_policy, rollout, run, shifted, until
from safetensors.numpy import load

from actors.adapter import Adapter
from actors.config import SamplerConfig
from actors.diffusion.sampler import Sampler
from rewards.verdict import Verdict


@pytest.mark.parametrize("max_lag", [0, 2])
def test_every_group_is_made_by_one_published_version_and_can_be_made_again(
    sampler: Sampler, zero: Adapter, tiny_policy_dir: Path, max_lag: int
) -> None:
    ledger, weights = LocalLedger(max_lag=max_lag, updates=4), LocalWeights()
    batches = asyncio.run(run(rollout(sampler, ledger, weights), ledger.learn(weights, lambda v: shifted(zero, v))))
    other = Sampler(new_policy(tiny_policy_dir), sampler.config)
    judge = JpegJury().judge
    assert [g.trajectories.ticket.index for batch in batches for g in batch] == list(range(8))
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


def test_the_curves_have_the_share_of_verdicts_whose_judge_did_not_read_to_the_end(
    sampler: Sampler, zero: Adapter
) -> None:
    class Hasty(JpegJury):
        async def verdicts(
            self, images: Any, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
        ) -> dict[str, list[Verdict]]:
            (judge,) = (await super().verdicts(images, prompts, metadata)).values()
            return {"jpeg": judge, "clip": [dataclasses.replace(v, truncated=i == 0) for i, v in enumerate(judge)]}

    ledger, weights = LocalLedger(updates=1), LocalWeights(zero)
    actor = rollout(sampler, ledger, weights, jury=Hasty())
    asyncio.run(run(actor, ledger.learn(weights)))
    assert {its["verdicts/cut_share"] for its in ledger.metrics} == {0.25}, "one of two judges, on one of two pictures"


def test_judging_overlaps_the_denoising_of_the_next_group(sampler: Sampler, zero: Adapter) -> None:
    ledger = LocalLedger(groups_per_update=3, updates=1)

    class PatientJury(JpegJury):
        """The first group's verdicts come only when the second group is being denoised."""

        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            if self.asked == 0:
                self.asked += 1
                await until(lambda: len(ledger.taken) == 2 and denoised[-1] == 2, seconds=5)
            return await super().verdicts(images, prompts, metadata)

    denoised: list[int] = [0]
    hook = sampler.policy.network.register_forward_hook(lambda *_: denoised.append(len(ledger.taken)))
    weights, jury = LocalWeights(zero), PatientJury()
    actor = rollout(sampler, ledger, weights, jury)
    asyncio.run(run(actor, ledger.learn(weights)))
    hook.remove()
    assert actor.stats()["errors"] == 0


def test_no_ticket_is_taken_while_too_many_groups_are_with_the_judges(sampler: Sampler, zero: Adapter) -> None:
    ledger, weights = LocalLedger(groups_per_update=6, updates=1), LocalWeights(zero)
    gate = asyncio.Event()

    class ClosedJury(JpegJury):
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
    class Abstaining(JpegJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            given = await super().verdicts(images, prompts, metadata)
            if self.asked == 2:
                given["jpeg"][1] = Verdict("jpeg", "abstain", text="no idea")
            return given

    ledger, weights = LocalLedger(), LocalWeights(zero)
    actor = rollout(sampler, ledger, weights, Abstaining())
    batches = asyncio.run(run(actor, ledger.learn(weights)))
    assert ledger.drops == ["unscored: jpeg: abstain (no idea)"]
    assert actor.stats()["dropped"] == {"unscored: jpeg: abstain": 1}
    bad, redrawn = ledger.taken[1], batches[0][1].trajectories.ticket
    assert (redrawn.index, redrawn.prompt, redrawn.attempt) == (bad.index, bad.prompt, 1)
    assert set(redrawn.seeds).isdisjoint(bad.seeds)
    assert all(np.isfinite(group.rewards).all() for batch in batches for group in batch)
    # The dropped group is on record, too, with what the judges said and no reward where there was none.
    record = {(p.ticket, p.sample): p for p in ledger.audit}
    assert len(record) == len(ledger.audit) == 5 * 2
    assert record[bad.id, 1].reward is None
    assert record[bad.id, 1].verdicts["jpeg"].text == "no idea"
    trained = [group for batch in batches for group in batch]
    assert [record[g.trajectories.ticket.id, 0].reward for g in trained] == [float(g.rewards[0]) for g in trained]


def test_the_heatmap_that_the_algorithm_asks_for_goes_with_every_group(sampler: Sampler, zero: Adapter) -> None:
    class Seeing(JpegJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            verdicts = await super().verdicts(images, prompts, metadata)
            heat = {"damage": np.arange(16, dtype=np.float32).reshape(4, 4)}
            seen = [Verdict("rich", "ok", value=1.0, heatmaps=heat), Verdict("rich", "error", text="late")]
            return verdicts | ({"rich": seen} if metadata[0]["index"] % 2 == 0 else {})

    ledger, weights = LocalLedger(updates=2), LocalWeights(zero)
    actor = rollout(sampler, ledger, weights, Seeing())
    actor.heatmap = ("rich", "damage")
    batches = asyncio.run(run(actor, ledger.learn(weights, lambda version: shifted(zero, version))))
    for group in (group for batch in batches for group in batch):
        assert group.heat is not None
        assert group.heat.shape == (2, 8, 8)
        assert (group.heat[1] == 1).all()
        answered = group.trajectories.ticket.index % 2 == 0
        assert (group.heat[0].max(), group.heat[0].mean()) == ((15, 7.5) if answered else (1, 1))


def test_an_adapter_is_exported_as_the_policy_that_holds_it_saves_it(
    sampler: Sampler, zero: Adapter, tmp_path: Path
) -> None:
    actor, newer = rollout(sampler, LocalLedger()), shifted(zero, 1)
    files = asyncio.run(actor.export(newer))
    sampler.policy.load_adapter(newer)
    sampler.policy.save_lora(tmp_path)
    (path,) = tmp_path.iterdir()
    assert files.keys() == {path.name}
    exported, saved = load(files[path.name]), load(path.read_bytes())
    assert exported.keys() == saved.keys()
    assert all(np.array_equal(exported[name], saved[name]) for name in saved)


def test_evaluation_uses_the_newest_adapter_unless_told_and_goes_between_groups(
    sampler: Sampler, zero: Adapter, tiny_policy_dir: Path
) -> None:
    class Remembering(JpegJury):
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
        v.value for v in JpegJury().judge.judge(newest["images"], prompts)
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
