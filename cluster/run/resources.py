# pyright: strict
"""Resources: what the processes of a run or a jury ask of Ray and of memory, and whether a machine has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from cluster.config.experiment import ClusterConfig, ExperimentConfig
from cluster.run.machine import Machine
from rewards.config import RewardsConfig

MIB = 2**20
# Measured on Linux with torch 2.13 on CPU: a process with torch, diffusers and transformers holds 500 to 700 MiB before
# it has a model; Ray's own processes and the driver about 1,000 MiB together; an actor without torch 80 MiB.
TORCH_PROCESS, RAY, PLAIN_PROCESS = 600 * MIB, 1000 * MIB, 80 * MIB


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """Processes of one kind: what each asks of Ray, and an estimate of its memory in bytes without its model."""

    name: str
    key: str
    count: int
    cpus: float
    gpus: float
    memory: int
    model: str | None = None
    resource: str | None = None
    """a custom resource that places it"""


def resource_requests(config: ExperimentConfig) -> list[ResourceRequest]:
    """Every process of a run, Ray's and Serve's own apart (those ask for no logical CPU)."""
    a, learner, policy = config.actors, config.learner, config.policy.model
    placed = next(iter(a.resources), None)
    rollouts = ResourceRequest(
        "rollout actors", "actors", a.count, a.num_cpus, a.num_gpus, TORCH_PROCESS, policy, placed
    )
    return [
        *([rollouts, *judge_resources(config.rewards)] if config.draws else []),
        ResourceRequest(
            "learner workers",
            "learner",
            learner.workers,
            learner.num_cpus,
            learner.num_gpus,
            TORCH_PROCESS,
            policy,
            next(iter(learner.resources), None),
        ),
        ResourceRequest("ledger and weight store", "cluster.service", 2, config.cluster.service_cpus, 0, PLAIN_PROCESS),
    ]


def judge_resources(rewards: RewardsConfig) -> Iterator[ResourceRequest]:
    """The replicas that every judge starts with."""
    for name, judge in rewards.judges.items():
        models, serve, key = judge.models(), judge.serve, f"rewards.judges.{name}.serve"
        memory = TORCH_PROCESS if models or judge.requires or judge.import_path else PLAIN_PROCESS
        model = models["model"].source if "model" in models else None
        cpus, gpus, placed = serve.num_cpus, serve.num_gpus, next(iter(serve.resources), None)
        yield ResourceRequest(f"judge {name}", key, serve.min_replicas, cpus, gpus, memory, model, placed)


def missing_resources(
    requests: Sequence[ResourceRequest], cluster: ClusterConfig, machine: Machine | None = None
) -> Iterator[str]:
    """What the `requests` ask for and `machine` (default: this), as a cluster of one, lacks; one line per problem.

    Says nothing of a cluster that runs already (`cluster.address`): its resources are not known here.
    """
    if cluster.address is not None:
        return
    machine = machine or Machine.here()
    for request in requests:
        if request.resource is not None:
            yield (
                f"{request.key}.resources: this machine has no custom resource {request.resource!r}, and Ray would "
                f"wait for one; remove it, or join a cluster with cluster.address"
            )
    have = cluster.num_cpus or machine.cpus
    wanted = sum(request.count * request.cpus for request in requests)
    if wanted > have + 1e-9:
        yield (
            f"cluster.num_cpus: the parts ask for {wanted:g} logical CPUs and there are {have}: "
            f"{_sum(requests, 'cpus')}; lower their num_cpus (fractions are fine), or set cluster.num_cpus to "
            f"{ceil(wanted)} to let them share"
        )
    if any(request.gpus for request in requests):
        wanted = sum(request.count * request.gpus for request in requests)
        if wanted > machine.gpus + 1e-9:
            yield f"num_gpus: the parts ask for {wanted:g} GPUs and there are {machine.gpus}: {_sum(requests, 'gpus')}"
    yield from _memory(requests, cluster, machine)


def _memory(requests: Sequence[ResourceRequest], cluster: ClusterConfig, machine: Machine) -> Iterator[str]:
    need = {request: request.count * (request.memory + _size(request.model)) for request in requests}
    shared = RAY + cluster.object_store_mb * 10**6
    if (total := sum(need.values()) + shared) <= machine.memory:
        return
    largest = max(need, key=lambda request: need[request])
    shares = ", ".join(
        f"{request.name} {request.count} × {need[request] / request.count / MIB:,.0f}" for request in requests
    )
    yield (
        f"{largest.key}: about {total / MIB:,.0f} MiB of memory are needed and {machine.memory / MIB:,.0f} are free: "
        f"{shares}, driver, Ray and object store {shared / MIB:,.0f} (a torch process counts as {TORCH_PROCESS // MIB} "
        f"MiB and the files of its model); {_advice(largest)}"
    )


def _advice(request: ResourceRequest) -> str:
    fewer = {"actors": "lower actors.count", "learner": "lower learner.workers"}
    return f"{fewer.get(request.key, f'use a smaller model or fewer replicas for {request.name}')}, or free some memory"


def _size(model: str | None) -> int:
    """Bytes of a model's weights on disk; 0 for a hub name, whose size is not known here."""
    if model is None:
        return 0
    files = [file for file in Path(model).expanduser().rglob("*") if file.suffix in (".safetensors", ".bin")]
    # A folder may hold the same weights in both formats.
    best = [f for f in files if f.suffix == ".safetensors"] or files
    return sum(file.stat().st_size for file in best)


def _sum(requests: Sequence[ResourceRequest], what: str) -> str:
    return ", ".join(
        f"{request.name} {request.count} × {getattr(request, what):g}" for request in requests if getattr(request, what)
    )
