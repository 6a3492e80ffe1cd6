# pyright: strict
"""Whether the policy can be drawn as `evaluation.sampler` and `evaluation.plain` ask, told from its configs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from cluster.config.experiment import ExperimentConfig
from rewards.user_input.model_folder import read_json_object


def evaluation_problems(config: ExperimentConfig) -> Iterator[str]:
    """A line per problem; none of a policy that is not on disk, or that a run could not draw either."""
    from actors.diffusion.pipelines.registry import kind_of, stored_shape, stored_transition

    policy, sampled, plain = config.policy, config.evaluation.sampler, config.evaluation.plain
    if not Path(policy.model, "model_index.json").is_file():
        return
    try:
        if sampled.steps is not None:
            stored_transition(policy, sampled.over(config.sampler))
    except ValueError as error:
        yield str(error).replace("sampler.steps", "evaluation.sampler.steps", 1)
    try:
        stored_shape(policy.model, plain.pixels)
    except ValueError as error:
        yield str(error).replace("policy.resolution", "evaluation.plain.resolution", 1)
    schedule = read_json_object(Path(policy.model, "scheduler", "scheduler_config.json"))
    trained = schedule.get("num_train_timesteps", 1000)
    if plain.steps is not None and plain.steps > trained:
        yield f"evaluation.plain.steps: {plain.steps:,} is more than the {trained:,} that the policy was trained with"
    if plain.scheduler is not None:
        yield from _solver_problems(plain.scheduler, kind_of(policy.model).solvers, schedule)


def _solver_problems(name: str, known: tuple[str, ...], schedule: Mapping[str, Any]) -> Iterator[str]:
    """What keeps diffusers' scheduler `name` from drawing on the noise levels of `schedule`, another one's config."""
    key = "evaluation.plain.scheduler"
    if name not in known:
        others = f"those that can are {', '.join(known)}" if known else "it can be drawn with its own only"
        yield f"{key}: this policy's pipeline cannot be drawn with {name!r}; {others}"
        return
    import diffusers

    solver: Any = getattr(cast(Any, diffusers), name)
    try:
        solver.from_config(dict(schedule))
    except (ImportError, ValueError, NotImplementedError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        yield f"{key}: {name} cannot be made of the pipeline's scheduler: {lines[0] if lines else type(error).__name__}"
        return
    for setting in ("rescale_betas_zero_snr", "use_dynamic_shifting"):
        if schedule.get(setting) and setting not in inspect.signature(solver.__init__).parameters:
            yield f"{key}: {name} has no {setting}, with which this policy's noise levels are made"
