"""Serve deployments: a replica that holds one judge, and the ingress that makes one application of all judges."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from rewards.arrays import ImageArray
from rewards.registry import build_judge
from rewards.serving.batcher import Batcher
from rewards.settings.judge import JudgeConfig
from rewards.settings.serve import ServingConfig
from rewards.verdict import Verdict


@serve.deployment
class JudgeReplica:
    """One loaded judge. Consumes batches of requests; produces verdicts.

    A stuck model call, or a device that can't be used again, makes it unhealthy, and Serve replaces it.
    """

    def __init__(self, name: str, config: JudgeConfig) -> None:
        judge = build_judge(name, config)
        if "torch" in sys.modules:
            # Only for judges that use it: importing it takes seconds and 300 MB.
            sys.modules["torch"].set_num_threads(config.serve.threads)
        self._stuck_after_s = config.serve.stuck_after_s
        self._batcher = Batcher(
            judge, config.serve.max_batch_size, config.serve.concurrent_batches, remembered=config.cache
        )
        gather: Any = self.gather
        gather.set_max_batch_size(config.serve.max_batch_size)
        gather.set_batch_wait_timeout_s(config.serve.batch_wait_s)

    async def score(
        self,
        images: ImageArray,
        prompts: Sequence[str],
        metadata: Sequence[Mapping[str, Any]] | None,
        timeout_s: float,
    ) -> list[Verdict]:
        """Verdicts for `images` `[n, H, W, 3]` uint8, for which the caller waits `timeout_s` seconds."""
        return await self.gather((images, prompts, metadata, timeout_s))

    # Batches may be open at the same time because the batcher, not Serve, takes the judge's turns.
    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.02, max_concurrent_batches=1024)
    async def gather(self, requests: list[Any]) -> list[Any]:
        return await self._batcher.score_all(requests)

    def version(self) -> str:
        """The judge's version."""
        return self._batcher.judge.version

    def check_health(self) -> None:
        """Called by Serve; raises when one model call takes too long, or when the judge has lost its device."""
        if lost := self._batcher.device_lost:
            raise RuntimeError(f"judge {self._batcher.judge.name} has lost its device: {lost.splitlines()[0]}")
        busy = self._batcher.busy_for()
        if busy > self._stuck_after_s:
            raise RuntimeError(f"judge {self._batcher.judge.name} has been stuck in a model call for {busy:.0f} s")


@serve.deployment(ray_actor_options={"num_cpus": 0})
class Ingress:
    """The ingress that Serve requires of an application; pictures don't pass through it, so it is no bottleneck."""

    def __init__(self, **judges: DeploymentHandle) -> None:
        self._judges = judges

    async def versions(self) -> dict[str, str]:
        """Judge name → version, once every judge has loaded."""
        return {name: await handle.version.remote() for name, handle in self._judges.items()}


def deployment_options(name: str, serving: ServingConfig) -> dict[str, Any]:
    """The settings of Serve for one judge."""
    options: dict[str, Any] = {
        "name": name,
        "ray_actor_options": {
            "num_cpus": serving.num_cpus,
            "num_gpus": serving.num_gpus,
            "resources": serving.resources,
        },
        # Serve's default of 5 would never fill a batch; twice as many, so that the next one gathers meanwhile.
        "max_ongoing_requests": 2 * serving.max_batch_size * serving.concurrent_batches,
        "max_queued_requests": serving.max_queued_requests,
        "health_check_period_s": serving.health_check_period_s,
        "health_check_timeout_s": 30.0,
        # What a replica has not judged by then, its callers ask of another.
        "graceful_shutdown_timeout_s": 5.0,
        "graceful_shutdown_wait_loop_s": 0.5,
        # A model that cannot be loaded once cannot be loaded twenty times; one retry for an out-of-memory neighbour.
        "max_constructor_retry_count": 2,
    }
    if serving.max_replicas == serving.min_replicas:
        return options | {"num_replicas": serving.min_replicas}
    # Serve's defaults (10 s metrics, 30 s up, 600 s down) are for web traffic; a reward phase lasts seconds.
    scaling = {
        "min_replicas": serving.min_replicas,
        "max_replicas": serving.max_replicas,
        "initial_replicas": serving.min_replicas,
        "target_ongoing_requests": serving.target_ongoing_requests,
        "upscale_delay_s": serving.upscale_delay_s,
        "downscale_delay_s": serving.downscale_delay_s,
        "metrics_interval_s": 1.0,
        "look_back_period_s": 2.0,
    }
    return options | {"autoscaling_config": scaling}
