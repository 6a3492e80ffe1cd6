# pyright: strict
"""The dry run: what `salon train CONFIG` would do, told without starting or downloading anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.config.batch_summary import describe
from cluster.config.experiment import ExperimentConfig
from cluster.run.checks.memory import group_bytes
from cluster.run.preflight import settings_problems, stored_problems
from cluster.run.resources import ResourceRequest, missing_resources, resource_requests
from cluster.sizing.downloads import downloads
from cluster.sizing.gpus import GB, fits
from cluster.sizing.memory_plan import RoleMemory, memory_plan
from cluster.sizing.shapes import Shape, shaped

MB = 1e6


def dry_run(config: ExperimentConfig) -> tuple[list[str], list[str]]:
    """What to print, and what is wrong with `config` on any machine, a line each.

    A policy on the hub is built from its shapes (`configs/shapes`) on `meta` tensors. What only this machine lacks is
    printed and is no problem: the run may be for another."""
    lines, problems = [f"{config.name}: nothing is started or downloaded."], [*settings_problems(config, here=False)]
    shape, known = Shape.of(config.policy.model), shaped(config)
    if not problems and shape is not None and shape.has_weights:
        problems = [*stored_problems(config)]
    if problems:
        return lines, problems
    try:
        sections = {
            "The batch": describe(known),
            **({} if config.offline else {"On its way": _bytes(known)}),
            "Memory of one process, an estimate": _memory(config, [*memory_plan(config)]),
            "Processes": _resources(config),
            "Models": [*downloads(config)] or ["all of them are on this disk"],
        }
    except ValueError as error:  # of a policy that cannot be built, or not be stepped as the config says
        return lines, str(error).splitlines()
    for title, content in sections.items():
        lines += ["", f"{title}:", *(f"  {line}" for line in content)]
    return lines, []


def _bytes(config: ExperimentConfig) -> Iterator[str]:
    size = group_bytes(config)
    window = min(config.max_lag + 1, config.updates) * config.groups_per_update
    store = config.cluster.object_store_mb * MB
    yield (
        f"a group of {config.samples_per_prompt} pictures with its latents is {size / MB:,.1f} MB; {window} groups may "
        f"be on their way at once: {window * size / GB:,.2f} GB"
    )
    if config.cluster.address is None and window * size > store:
        yield f"the object store has {store / GB:g} GB, and Ray writes the rest to disk: raise cluster.object_store_mb"


def _memory(config: ExperimentConfig, roles: Sequence[RoleMemory]) -> Iterator[str]:
    yield from (role.in_words() for role in roles)
    sharing = [role for role in roles if 0 < role.gpus < 1]
    if len(sharing) > 1 and sum(role.gpus * role.processes for role in sharing) <= 1:
        total = sum(role.total * role.processes for role in sharing)
        where = fits(total, sum(role.processes for role in sharing))
        yield f"{', '.join(role.role for role in sharing)} share a GPU: {total / GB:.2f} GB; {where}"
    if Shape.of(config.policy.model) is None:
        yield f"policy {config.policy.model}: unknown here, as it has no entry in configs/shapes"
    known = {role.role for role in roles}
    for name, judge in config.rewards.judges.items():
        if judge.models() and f"judge {name}" not in known:
            yield f"judge {name}: unknown here"
    yield (
        "activations are of eager execution with fused attention; a GPU needs about a tenth more, and 0.6 GB for CUDA "
        "in each process"
    )


def _resources(config: ExperimentConfig) -> Iterator[str]:
    requests = resource_requests(config)
    yield f"{_sum(requests, 'gpus')} GPUs and {_sum(requests, 'cpus')} logical CPUs:"
    for request in requests:
        gpus = f", {request.gpus:g} GPUs" if request.gpus else ""
        yield f"  {request.count} × {request.name}, each {request.cpus:g} CPUs{gpus}"
    yield from (f"not on this machine: {line}" for line in missing_resources(requests, config.cluster))


def _sum(requests: Sequence[ResourceRequest], what: str) -> str:
    return f"{sum(request.count * getattr(request, what) for request in requests):g}"
