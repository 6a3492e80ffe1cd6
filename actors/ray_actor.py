"""The Ray shell of a rollout: an actor that delegates to `Rollout`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch
from ray.actor import ActorHandle

from actors.adapter import Adapter
from actors.audit import Auditor
from actors.clients import LEDGER, WEIGHTS, LedgerClient, WeightStoreClient
from actors.config import ActorsConfig, AuditConfig, PolicyConfig, SamplerConfig
from actors.diffusion.evaluation_settings import PlainSettings, SampledSettings
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from actors.profiling import traced
from actors.recording import Recorder, Recording
from actors.rollout import Rollout
from rewards.config import RewardsConfig
from rewards.panel.panel import Panel
from rewards.pretrained import quiet_libraries
from rewards.serving.scoring import Jury


@dataclass(frozen=True, slots=True)
class RolloutSpec:
    """What every rollout actor of a run is built from.

    `seed` is the run's, for the initial adapter; `recorder` and `heatmap` are the algorithm's. `ledger` and `weights`
    are names: were they handles, Ray would warn that the arguments of an actor might be gone when it is restarted.
    `profile` is the folder for the trace of a group.
    """

    policy: PolicyConfig
    sampler: SamplerConfig
    actors: ActorsConfig
    rewards: RewardsConfig
    audit: AuditConfig
    seed: int
    jury: Jury
    recorder: Recorder = Recording.whole
    heatmap: tuple[str, str] | None = None
    profile: Path | None = None
    sampled: SampledSettings | None = None
    plain: PlainSettings | None = None
    ledger: str = LEDGER
    weights: str = WEIGHTS


class RolloutActor:
    """`Rollout` in a process of its own. `roll` is one long call; the others are answered beside it.

    When the process dies, Ray starts it again and repeats the call of `roll` that it was busy with, up to
    `actors.max_restarts` times; then that raises RayActorError. The other calls raise it at once.
    """

    def __init__(self, name: str, spec: RolloutSpec) -> None:
        quiet_libraries()
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        torch.set_num_threads(spec.actors.threads)
        train = [judge for judge, its in spec.rewards.judges.items() if its.role == "train"]
        device = "cuda" if spec.actors.num_gpus and torch.cuda.is_available() else "cpu"
        policy = Policy.load(spec.policy, spec.seed, device)
        if spec.policy.train == "lora":
            policy.exported()  # what could not be exported at the end is told before anything is trained
        sampler = Sampler(policy, spec.sampler, spec.recorder)
        if spec.profile is not None:
            sampler.sample = traced(sampler.sample, spec.profile, name, sampler)
        self._rollout = Rollout(
            name,
            sampler,
            Panel(spec.rewards),
            spec.actors,
            ledger=LedgerClient.named(spec.ledger),
            weights=WeightStoreClient.named(spec.weights),
            jury=spec.jury,
            auditor=Auditor(spec.audit, train) if spec.audit.enabled else None,
            sampled=spec.sampled,
            plain=spec.plain,
            heatmap=spec.heatmap,
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

    async def evaluate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        metadata: Sequence[Mapping[str, Any]] | None = None,
        adapter: Adapter | None = None,
        *,
        plain: bool = False,
    ) -> dict[str, Any]:
        """See `Rollout.evaluate`."""
        return await self._rollout.evaluate(prompts, seeds, metadata, adapter, plain=plain)

    async def initial(self) -> Adapter:
        """See `Rollout.initial`."""
        return self._rollout.initial

    async def export(self, adapter: Adapter) -> dict[str, bytes]:
        """See `Rollout.export`."""
        return await self._rollout.export(adapter)

    async def stats(self) -> dict[str, Any]:
        """See `Rollout.stats`."""
        return self._rollout.stats()


def spawn_rollout(name: str, spec: RolloutSpec) -> ActorHandle:
    """A rollout actor with its share of the machine.

    `name` is how the ledger knows it and stays the same over restarts: the first thing that `roll` does is to give
    back what an earlier life still held.
    """
    actor: Any = ray.remote(RolloutActor).options(
        num_cpus=spec.actors.num_cpus,
        num_gpus=spec.actors.num_gpus,
        resources=spec.actors.resources or None,
        max_restarts=spec.actors.max_restarts,
    )
    return actor.remote(name, spec)
