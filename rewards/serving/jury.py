"""The jury: all judges as one Ray Serve application, and the handle by which rollout actors ask it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import ray
from ray import serve
from ray.exceptions import RayActorError, RayError
from ray.serve.config import ProxyLocation
from ray.serve.exceptions import BackPressureError, RayServeException, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview, DeploymentStatus

from rewards.arrays import ImageArray
from rewards.config import RewardsConfig
from rewards.errors import JurySilent, first_line, last_line
from rewards.prompt_metadata import metadata_of
from rewards.serving.judge_stats import JudgeStats
from rewards.serving.replica import Ingress, JudgeReplica, deployment_options
from rewards.serving.retry import Attempts
from rewards.verdict import Verdict, where_it_applies


class JuryHandle:
    """Asks every judge about a group of pictures. Picklable; each process that holds a copy counts for itself.

    Waits for: the judges that count (train and gate), each until its timeout; audit judges `audit_grace_s` longer.
    Produces: `n` verdicts of every judge, whatever happens to it. A judge that raises or dies more often than its
    `retries`, pushes back until its timeout, or is late gives verdicts with status error, never a number. A judge that
    does not apply to a picture's prompt abstains, and is not asked if it applies to none.
    Raises JurySilent when a judge that counts was asked for `give_up_s`, and answered nothing.
    """

    def __init__(
        self,
        config: RewardsConfig,
        handles: Mapping[str, DeploymentHandle],
        versions: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.versions = dict(versions)
        self._handles = dict(handles)
        self._clock = clock
        self._judge_stats = {name: JudgeStats(clock) for name in handles}

    def __reduce__(self):
        return JuryHandle, (self.config, self._handles, self.versions)

    async def verdicts(
        self,
        images: ImageArray | ray.ObjectRef,
        prompts: Sequence[str],
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, list[Verdict]]:
        """Judge name → `n` verdicts for `images` `[n, H, W, 3]` uint8, or a reference to them, and `n` prompts."""
        if isinstance(images, np.ndarray):
            images = ray.put(np.ascontiguousarray(images))
        known = metadata_of(len(prompts), metadata)
        applies = {name: [judge.applies_to(entry) for entry in known] for name, judge in self.config.judges.items()}
        asked = {
            name: asyncio.create_task(self._ask(name, images, list(prompts), metadata))
            for name in self.config.judges
            if any(applies[name])
        }
        counting = [task for name, task in asked.items() if self.config.judges[name].role != "audit"]
        audits = [task for task in asked.values() if task not in counting]
        try:
            if counting:
                await asyncio.wait(counting)
            if audits:
                await asyncio.wait(audits, timeout=self.config.audit_grace_s)
            made = {name: task.result() if task.done() else self._late(name, prompts) for name, task in asked.items()}
            return {name: where_it_applies(applies[name], name, made.get(name)) for name in self.config.judges}
        finally:
            for task in asked.values():
                task.cancel()

    def stats(self) -> dict[str, dict[str, float]]:
        """Judge name → metrics of the calls that this process has made to it."""
        return {name: stats.stats() for name, stats in self._judge_stats.items()}

    async def _ask(
        self,
        name: str,
        images: ray.ObjectRef,
        prompts: list[str],
        metadata: Sequence[Mapping[str, Any]] | None,
    ) -> list[Verdict]:
        with self._judge_stats[name].asking() as answered:
            return await self._answers(name, images, prompts, metadata, answered)

    async def _answers(
        self,
        name: str,
        images: ray.ObjectRef,
        prompts: list[str],
        metadata: Sequence[Mapping[str, Any]] | None,
        answered: Callable[[float], None],
    ) -> list[Verdict]:
        stats, verdicts = self._judge_stats[name], list[Verdict]()
        attempts = Attempts(self.config.timeout_of(name), self.config.retries_of(name), self._clock)
        while attempts.going:
            try:
                verdicts = await self._call(name, images, prompts, metadata, attempts.left)
                if any(verdict.status != "error" for verdict in verdicts):
                    answered(attempts.seconds)
                    return verdicts
                attempts.failed(verdicts[0].text)
            except BackPressureError:
                stats.pushed_back += 1
                attempts.pushed_back("every replica's queue was full")
            except (RayActorError, ReplicaUnavailableError) as error:
                stats.died += 1
                attempts.failed(f"its replica died ({first_line(error)})")
            except TimeoutError:
                attempts.timed_out()
            except (RayError, RayServeException) as error:
                attempts.failed(first_line(error))
            await asyncio.sleep(attempts.pause())
        if verdicts:
            # Errors, every one, in the judge's own words.
            self._mark_failed(name, verdicts[0].text)
            return verdicts
        return self._failed(name, prompts, attempts.reason)

    async def _call(self, name: str, images: ray.ObjectRef, prompts: list[str], metadata: Any, left: float) -> Any:
        response = self._handles[name].score.remote(images, prompts, metadata, left)
        try:
            return await asyncio.wait_for(response, left)
        except (TimeoutError, asyncio.CancelledError):
            # Otherwise it would stay in the judge's queue and be judged for nobody.
            response.cancel()
            raise

    def _failed(self, name: str, prompts: Sequence[str], reason: str) -> list[Verdict]:
        self._mark_failed(name, reason)
        return [Verdict(name, "error", text=reason, version=self.versions.get(name, ""))] * len(prompts)

    def _late(self, name: str, prompts: Sequence[str]) -> list[Verdict]:
        return self._failed(name, prompts, f"more than {self.config.audit_grace_s:g} s later than the train judges")

    def _mark_failed(self, name: str, reason: str) -> None:
        silent = self._judge_stats[name].unanswered()
        if self.config.judges[name].role != "audit" and silent > self.config.give_up_s:
            raise JurySilent(
                f"judge {name} was asked for {silent:.0f} s and answered nothing (rewards.give_up_s): {reason}"
            )


def serve_jury(
    config: RewardsConfig, app: str = "jury", loaded: Callable[[str], object] = lambda judge: None
) -> JuryHandle:
    """Starts every judge's replicas, as the Serve application `app`, and returns when all have loaded.

    Calls `loaded` with the name of each judge as it comes up. Needs a Ray that is initialised. Raises ValueError with
    the judge's own error when one cannot load, and TimeoutError after `start_timeout_s`, naming those that have no
    replica yet (most often for want of CPUs or GPUs).
    """
    serve.start(proxy_location=ProxyLocation.Disabled)
    judges = _bind_judges(config)
    target = serve.RunTarget(Ingress.bind(**judges), name=app, route_prefix=None)
    (ingress,) = serve.run_many([target], wait_for_applications_running=False)
    until = time.monotonic() + config.start_timeout_s
    wait_until_running(app, until, config, loaded)
    versions = ingress.versions.remote().result(timeout_s=max(1.0, until - time.monotonic()))
    return JuryHandle(config, {name: serve.get_deployment_handle(name, app) for name in judges}, versions)


def find_jury(config: RewardsConfig, app: str) -> JuryHandle | None:
    """The jury that runs as `app` on the cluster already, its judges ready; None if there is none."""
    found = serve.status().applications.get(app)
    if found is None or found.status != ApplicationStatus.RUNNING:
        return None
    versions = serve.get_app_handle(app).versions.remote().result(timeout_s=config.start_timeout_s)
    return JuryHandle(config, {name: serve.get_deployment_handle(name, app) for name in config.judges}, versions)


def apps_named(prefix: str) -> list[str]:
    """The Serve applications on the cluster whose names begin so."""
    return [app for app in serve.status().applications if app.startswith(prefix)]


def withdraw_jury(app: str) -> None:
    """Takes the application away from a cluster that goes on without it, if the cluster still answers."""
    with contextlib.suppress(Exception):
        serve.delete(app)


def running_replicas(app: str = "jury") -> dict[str, int]:
    """Judge → replicas that answer at this moment; empty while Serve's status can't be read."""
    try:
        found = serve.status().applications.get(app)
    except (RayError, RayServeException):
        return {}
    judges = {} if found is None else {name: d for name, d in found.deployments.items() if name != Ingress.name}
    return {
        name: sum(number for state, number in judge.replica_states.items() if state == "RUNNING")
        for name, judge in judges.items()
    }


def _bind_judges(config: RewardsConfig) -> dict[str, serve.Application]:
    """Judge name → its deployment, as the ingress of an application takes it."""
    return {
        name: JudgeReplica.options(**deployment_options(name, judge.serve)).bind(name, judge)
        for name, judge in config.judges.items()
    }


def wait_until_running(
    name: str, until: float, config: RewardsConfig, loaded: Callable[[str], object] = lambda judge: None
) -> None:
    """Returns when the application `name` runs; deletes it and raises, as `serve_jury` does, if it cannot."""
    waiting = dict.fromkeys(config.judges)
    while True:
        app = serve.status().applications[name]
        for judge in [judge for judge in waiting if _is_up(app, judge)]:
            del waiting[judge]
            loaded(judge)
        if app.status == ApplicationStatus.RUNNING:
            return
        if app.status in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY):
            broken = {judge: d.message for judge, d in app.deployments.items() if d.message and d.status != "HEALTHY"}
            serve.delete(name, _blocking=False)
            raise ValueError(f"the jury cannot start: {last_line(next(iter(broken.values()), app.message))}")
        if time.monotonic() > until:
            serve.delete(name, _blocking=False)
            raise TimeoutError(
                f"judges {', '.join(waiting)} were not up in {config.start_timeout_s:g} s; is there room for the "
                "num_cpus and num_gpus under rewards.judges.NAME.serve, or is a model still being downloaded? "
                "raise rewards.start_timeout_s"
            )
        time.sleep(0.2)


def _is_up(app: ApplicationStatusOverview, judge: str) -> bool:
    return judge in app.deployments and app.deployments[judge].status == DeploymentStatus.HEALTHY
