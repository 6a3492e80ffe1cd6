"""The Ray shell of a rollout: an actor that delegates to `Rollout`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import ray
import torch
from ray.actor import ActorHandle

from actors.adapter import Adapter
from actors.audit import Auditor
from actors.config import ActorsConfig, AuditConfig, PolicyConfig, SamplerConfig
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from actors.protocols import Jury
from actors.rollout import Rollout
from rewards.panel.panel import Panel
from rewards.pretrained import quiet_libraries
from rewards.settings.rewards import RewardsConfig


def remote(name: str) -> Any:
    """The actor called `name` as a neighbour: its methods are called as if it were here, `await it.method(...)`."""
    return _Remote(ray.get_actor(name))


class _Remote:
    def __init__(self, handle: ActorHandle) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        return getattr(self._handle, name).remote


class RolloutActor:
    """`Rollout` in a process of its own. `roll` is one long call; the others are answered beside it.

    When the process dies, Ray starts it again and repeats the calls of `roll` and `evaluate` that it was busy with, up
    to `actors.max_restarts` times; then they raise RayActorError. The other calls raise it at once. Ledger and weight
    store are known by name: were they handles, Ray would warn that its arguments might be gone at a restart.
    """

    def __init__(
        self,
        name: str,
        *,
        policy: PolicyConfig,
        sampler: SamplerConfig,
        actors: ActorsConfig,
        rewards: RewardsConfig,
        ledger: str,
        weights: str,
        jury: Jury,
        audit: AuditConfig,
        seed: int,
    ) -> None:
        quiet_libraries()
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        torch.set_num_threads(actors.threads)
        train = [judge for judge, its in rewards.judges.items() if its.role == "train"]
        device = "cuda" if actors.num_gpus and torch.cuda.is_available() else "cpu"
        self._rollout = Rollout(
            name,
            Sampler(Policy.load(policy, seed, device), sampler),
            Panel(rewards),
            actors,
            ledger=remote(ledger),
            weights=remote(weights),
            jury=jury,
            auditor=Auditor(audit, train) if audit.enabled else None,
        )

    async def ready(self) -> bool:
        """Answers when the model is loaded."""
        return True

    @ray.method(max_task_retries=-1)
    async def roll(self) -> None:
        """See `Rollout.roll`."""
        await self._rollout.roll()

    async def stop(self) -> None:
        """See `Rollout.stop`."""
        self._rollout.stop()

    @ray.method(max_task_retries=-1)
    async def evaluate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        metadata: Sequence[Mapping[str, Any]] | None = None,
        adapter: Adapter | None = None,
    ) -> dict[str, Any]:
        """See `Rollout.evaluate`."""
        return await self._rollout.evaluate(prompts, seeds, metadata, adapter)

    @ray.method(max_task_retries=-1)
    async def initial(self) -> Adapter:
        """See `Rollout.initial`."""
        return self._rollout.initial

    @ray.method(max_task_retries=-1)
    async def export(self, adapter: Adapter) -> dict[str, bytes]:
        """See `Rollout.export`."""
        return await self._rollout.export(adapter)

    async def stats(self) -> dict[str, Any]:
        """See `Rollout.stats`."""
        return self._rollout.stats()


def spawn_rollout(
    name: str,
    *,
    policy: PolicyConfig,
    sampler: SamplerConfig,
    actors: ActorsConfig,
    rewards: RewardsConfig,
    ledger: str,
    weights: str,
    jury: Jury,
    seed: int,
    audit: AuditConfig | None = None,
) -> ActorHandle:
    """A rollout actor with its share of the machine.

    `name` is how the ledger knows it and stays the same over restarts: the first thing that `roll` does is to give
    back what an earlier life still held. `ledger` and `weights` are the names of these actors, `seed` is the run's, for
    the initial adapter.
    """
    actor: Any = ray.remote(RolloutActor).options(
        num_cpus=actors.num_cpus,
        num_gpus=actors.num_gpus,
        resources=actors.resources or None,
        max_restarts=actors.max_restarts,
    )
    return actor.remote(
        name,
        policy=policy,
        sampler=sampler,
        actors=actors,
        rewards=rewards,
        ledger=ledger,
        weights=weights,
        jury=jury,
        audit=audit or AuditConfig(),
        seed=seed,
    )
