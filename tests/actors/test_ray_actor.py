"""Rollout actors on a real local Ray, with the real ledger and weight store."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from local_services import PROMPTS, JpegJury
from ray.exceptions import RayActorError, RayTaskError

from actors.adapter import Adapter
from actors.config import ActorsConfig, AuditConfig, PolicyConfig, SamplerConfig
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from actors.error_budget import RolloutError
from actors.ray_actor import RolloutSpec, spawn_rollout
from actors.trajectory import JudgedGroup
from cluster.ledger.ray_actors import spawn_ledger, spawn_weight_store
from rewards.config import RewardsConfig
from rewards.registry import judge_config
from rewards.verdict import Verdict

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("local_ray")]

SAMPLER = SamplerConfig(steps=3, guidance=2.0)
GROUPS, UPDATES = 2, 4
RUNS = count()


class SlowJury(JpegJury):
    """The JPEG judge after a while, so that a kill finds groups in every state."""

    async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
        import asyncio

        await asyncio.sleep(0.3)
        return await super().verdicts(images, prompts, metadata)


class Run:
    """A ledger, a weight store and one rollout actor, with the test in the learner's place."""

    def __init__(self, folder: Path, jury: JpegJury, *, max_lag: int = 1, **actors: Any) -> None:
        self.policy = Policy.load(PolicyConfig(model=str(folder)), seed=4)
        self.zero = self.policy.adapter(0)
        run = next(RUNS)
        self.ledger = spawn_ledger(
            lambda index: (PROMPTS[index % len(PROMPTS)], {}),
            num_cpus=0.1,
            name=f"ledger-{run}",
            seed=0,
            groups_per_update=GROUPS,
            samples_per_prompt=2,
            max_lag=max_lag,
            updates=UPDATES,
        )
        self.weights = spawn_weight_store(num_cpus=0.1, name=f"weights-{run}")
        self.actor = spawn_rollout(
            "rollout-0",
            RolloutSpec(
                policy=self.policy.config,
                sampler=SAMPLER,
                actors=ActorsConfig(num_cpus=0.5, poll_s=0.5, **actors),
                rewards=RewardsConfig(judges={"jpeg": judge_config(kind="jpeg")}),
                audit=AuditConfig(),
                seed=4,
                jury=jury,
                ledger=f"ledger-{run}",
                weights=f"weights-{run}",
            ),
        )
        ray.get(self.actor.ready.remote(), timeout=120)
        self.weights.publish(self.zero).result()

    def adapter(self, version: int) -> Adapter:
        noise = np.random.default_rng(version).normal(size=self.zero.values.shape).astype(np.float32)
        return replace(self.zero, version=version, values=self.zero.values + 0.2 * noise * (version > 0))

    def batch(self, version: int) -> list[JudgedGroup] | None:
        return self.ledger.batch(0, 1, version, 0.2).result(30)

    def publish(self, version: int) -> None:
        self.weights.publish(self.adapter(version)).result()
        self.ledger.settle(version, {}).result()


def wait_for_batch(run: Run, version: int, seconds: float = 60.0) -> list[JudgedGroup]:
    until = time.monotonic() + seconds
    while (batch := run.batch(version)) is None:
        assert time.monotonic() < until, run.ledger.counts().result()
    return batch


def kill(actor: Any) -> int:
    pid = ray.get(actor.__ray_call__.remote(lambda _self: os.getpid()), timeout=30)
    os.kill(pid, signal.SIGKILL)
    return pid


def test_an_actor_rolls_the_whole_run_and_its_groups_are_what_a_plain_sampler_makes(tiny_policy_dir: Path) -> None:
    run = Run(tiny_policy_dir, JpegJury())
    rolling = run.actor.roll.remote()
    plain, trained = Sampler(run.policy, SAMPLER), 0
    for version in range(UPDATES):
        for group in wait_for_batch(run, version):
            made = group.trajectories
            plain.policy.load_adapter(run.adapter(made.version))
            again = plain.sample(made.ticket, made.version)
            assert np.array_equal(again.latents, made.latents)
            assert np.array_equal(again.log_probs, made.log_probs)
            trained += 1
        run.publish(version + 1)
    assert trained == GROUPS * UPDATES
    drawn = ray.get(run.actor.evaluate.remote(["a red cat", "a dog"], [1, 2]), timeout=60)
    assert (drawn["version"], drawn["images"].shape, len(drawn["verdicts"]["jpeg"])) == (UPDATES, (2, 64, 64, 3), 2)
    ray.get(run.actor.stop.remote())
    ray.get(rolling, timeout=30)
    stats = ray.get(run.actor.stats.remote())
    assert (stats["groups"], stats["errors"]) == (GROUPS * UPDATES, 0)


def test_kill_9_in_the_middle_loses_no_group_and_trains_none_twice(tiny_policy_dir: Path) -> None:
    run = Run(tiny_policy_dir, SlowJury(), max_lag=2)
    rolling = run.actor.roll.remote()
    indices: list[int] = []
    pids: list[int] = []
    seeds: dict[int, tuple[int, ...]] = {}
    for version in range(UPDATES):
        if version in (1, 2):
            pids.append(kill(run.actor))
        for group in wait_for_batch(run, version):
            indices.append(group.trajectories.ticket.index)
            seeds[indices[-1]] = group.trajectories.ticket.seeds
        run.publish(version + 1)
    counts = run.ledger.counts().result()
    assert indices == list(range(GROUPS * UPDATES))
    assert counts["trained"] == GROUPS * UPDATES
    assert counts["dropped"].keys() == {"actor died"}
    assert pids[0] != pids[1]
    assert len(set(seeds.values())) == GROUPS * UPDATES
    ray.get(run.actor.stop.remote())
    ray.get(rolling, timeout=30)


def test_handed_in_groups_outlive_the_actor_that_made_them(tiny_policy_dir: Path) -> None:
    run = Run(tiny_policy_dir, JpegJury(), max_restarts=0)
    rolling = run.actor.roll.remote()
    until = time.monotonic() + 60
    while run.ledger.counts().result()["ready"] < 2 * GROUPS:
        assert time.monotonic() < until
        time.sleep(0.1)
    kill(run.actor)
    with pytest.raises(RayActorError):
        ray.get(rolling, timeout=60)
    for version in (0, 1):
        batch = wait_for_batch(run, version, seconds=10)
        assert all(np.isfinite(group.trajectories.latents).all() for group in batch)
        run.publish(version + 1)


def test_a_fatal_error_reaches_the_caller_of_roll_in_words(tiny_policy_dir: Path) -> None:
    class Broken(JpegJury):
        async def verdicts(self, images: Any, prompts: Any, metadata: Any) -> dict[str, list[Verdict]]:
            raise ConnectionError("no judge is there")

    run = Run(tiny_policy_dir, Broken(), same_error_limit=2)
    with pytest.raises(RayTaskError, match=r"the same error 2 times in a row .*no judge is there") as caught:
        ray.get(run.actor.roll.remote(), timeout=60)
    assert isinstance(caught.value.cause, RolloutError)
    assert run.ledger.counts().result()["in_flight"] == 2 * GROUPS
