"""The rollout crew: the supervisor of all rollout actors of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from actors.adapter import Adapter
from actors.clients import WeightStoreClient
from actors.ray_actor import RolloutSpec, spawn_rollout
from cluster.config.experiment import ExperimentConfig
from rewards.arrays import ImageArray
from rewards.errors import last_line
from rewards.serving.jury import JuryHandle
from rewards.verdict import Verdict


class CrewLost(RuntimeError):  # noqa: N818 (the name of the event)
    """No rollout actor can go on; the message says why."""


class RolloutCrew:
    """`actors.count` interchangeable rollout actors.

    Ray restarts an actor that dies (`actors.max_restarts` times); one whose restarts are used up is replaced here. An
    actor that gives up by itself (the same error again and again) ends the run: the others would meet the same error.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        weights: WeightStoreClient,
        jury: JuryHandle,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._weights, self._clock = config, weights, clock
        self._spec = RolloutSpec(
            policy=config.policy,
            sampler=config.sampler,
            actors=config.actors,
            rewards=config.rewards,
            audit=config.audit,
            seed=config.seed,
            jury=jury,
        )
        self._alive_at = clock()
        self._rolling: dict[str, Any] = {}
        self.actors = {f"actor-{i}": self._spawn(f"actor-{i}") for i in range(config.actors.count)}

    def ready(self) -> None:
        """Waits until every actor has loaded the policy; raises CrewLost with the reason when one cannot, or when
        `actors.start_timeout_s` was not enough."""
        settings = self._config.actors
        try:
            ray.get([actor.ready.remote() for actor in self.actors.values()], timeout=settings.start_timeout_s)
        except GetTimeoutError:
            raise CrewLost(
                f"rollout actors were not up in {settings.start_timeout_s:g} s; is there room for actors.count "
                f"{settings.count} × actors.num_cpus {settings.num_cpus:g}, or is the model still being downloaded? "
                "raise actors.start_timeout_s"
            ) from None
        except RayError as error:
            raise CrewLost(f"a rollout actor cannot start: {last_line(error)}") from error

    def roll(self) -> None:
        """Sets every actor rolling; returns at once."""
        self._rolling = {name: actor.roll.remote() for name, actor in self.actors.items()}
        self._alive_at = self._clock()

    @property
    def rolling(self) -> bool:
        """Whether `roll` was called."""
        return bool(self._rolling)

    def check(self) -> list[str]:
        """Replaces actors that are dead for good and says which; raises CrewLost when it makes no sense to go on."""
        replaced: list[str] = []
        names = {call: name for name, call in self._rolling.items()}
        done, _ = ray.wait(list(names), num_returns=len(names), timeout=0)
        for call in done:
            name = names[call]
            try:
                ray.get(call)
            except RayActorError:
                self.actors[name] = self._spawn(name)
                self._rolling[name] = self.actors[name].roll.remote()
                replaced.append(name)
            except RayTaskError as error:
                raise CrewLost(last_line(error)) from error
        return replaced

    def stats(self, wait_s: float = 5.0) -> list[dict[str, Any]]:
        """The statistics of the actors that answer within `wait_s`; raises CrewLost after `stalled_after_s` of none."""
        calls: list[Any] = [actor.stats.remote() for actor in self.actors.values()]
        done, _ = ray.wait(calls, num_returns=len(calls), timeout=wait_s)
        answers: list[dict[str, Any]] = []
        for call in done:
            try:
                answers.append(ray.get(call))
            except RayActorError:
                continue  # restarting
        now = self._clock()
        if answers:
            self._alive_at = now
        elif now - self._alive_at > self._config.cluster.stalled_after_s:
            raise CrewLost(f"no rollout actor has answered for {now - self._alive_at:.0f} s (cluster.stalled_after_s)")
        return answers

    def evaluate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        metadata: Sequence[Mapping[str, Any]],
        adapter: Adapter | None = None,
    ) -> tuple[ImageArray, dict[str, list[Verdict]], int]:
        """Pictures `[n, H, W, 3]` uint8 of every (prompt, seed), their verdicts by judge, and the version that drew
        them, the work shared out over all actors. Pictures do not depend on how it is shared."""
        drawn_by = adapter or self._weights.latest().result()
        bounds = np.linspace(0, len(prompts), len(self.actors) + 1).astype(int)
        calls: list[Any] = [
            actor.evaluate.remote(prompts[a:b], seeds[a:b], metadata[a:b], drawn_by)
            for actor, a, b in zip(self.actors.values(), bounds[:-1], bounds[1:], strict=True)
            if b > a
        ]
        try:
            parts = ray.get(calls)
        except RayError as error:
            raise CrewLost(f"the evaluation failed: {last_line(error)}") from error
        images = np.concatenate([part["images"] for part in parts])
        judges = parts[0]["verdicts"]
        return images, {j: [v for p in parts for v in p["verdicts"][j]] for j in judges}, parts[0]["version"]

    def initial(self) -> Adapter:
        """The adapter of version 0."""
        return self._asked("initial")

    def exported(self, adapter: Adapter) -> dict[str, bytes]:
        """The files of `adapter` by name, for plain diffusers' `load_lora_weights`."""
        return self._asked("export", adapter)

    def dismiss(self) -> None:
        """Lets every actor finish what it has begun; kills those that take longer than three polls."""
        for actor in self.actors.values():
            actor.stop.remote()
        rolling = list(self._rolling.values())
        ray.wait(rolling, num_returns=len(rolling), timeout=3 * self._config.actors.poll_s)
        for actor in self.actors.values():
            ray.kill(actor)

    def _asked(self, method: str, *arguments: Any) -> Any:
        """The first actor's answer; they would all give the same."""
        actor = next(iter(self.actors.values()))
        try:
            return ray.get(getattr(actor, method).remote(*arguments))
        except RayError as error:
            raise CrewLost(f"a rollout actor cannot {method}: {last_line(error)}") from error

    def _spawn(self, name: str) -> ActorHandle:
        return spawn_rollout(name, self._spec)
