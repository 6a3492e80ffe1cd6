# pyright: strict
"""Preflight: what can be known to fail is refused before anything starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cluster.config.experiment import ExperimentConfig
from cluster.errors import PreflightError
from cluster.run.checks.adapters import init_problems, target_problems
from cluster.run.checks.alarms import alarm_problems
from cluster.run.checks.environment import environment_problems, ray_problems
from cluster.run.checks.evaluation import evaluation_problems
from cluster.run.checks.memory import memory_problems
from cluster.run.checks.models import judge_problems, policy_problems
from cluster.run.checks.prompts import data_problems, prompt_problems
from cluster.run.machine import Machine
from cluster.run.resources import missing_resources, resource_requests


def preflight(config: ExperimentConfig, machine: Machine | None = None) -> None:
    """Raises PreflightError if models or prompts are missing, or if the parts do not fit `machine` (default: this).

    On an existing cluster (`cluster.address`) only models and prompts are checked.
    """
    at_once = [
        *environment_problems(config),
        *ray_problems(config.cluster, config.rewards, machine),
        *settings_problems(config),
        *missing_resources(resource_requests(config), config.cluster, machine),
    ]
    # What needs torch comes last, as importing it takes seconds.
    if problems := at_once or [*stored_problems(config), *memory_problems(config, machine)]:
        raise PreflightError("\n".join(problems))


def settings_problems(config: ExperimentConfig, here: bool = True) -> Iterator[str]:
    """What is wrong with models, prompts, data and alarms, without torch; `here`: what this machine lacks, too."""
    yield from policy_problems(config.policy)
    yield from judge_problems(config.rewards, here)
    yield from prompt_problems(config)
    yield from data_problems(config)
    yield from alarm_problems(config)


def stored_problems(config: ExperimentConfig) -> Iterator[str]:
    """What is wrong with a policy on this disk, with the LoRA that the run is to start from, and with what evaluations
    are to draw; imports torch."""
    yield from [*_steps(config), *_init(config)] or evaluation_problems(config)


def _init(config: ExperimentConfig) -> Iterator[str]:
    """What is wrong with the LoRA that the run is to start from."""
    if config.policy.lora.init is not None:
        from actors.diffusion.lora_file import lora_file
        from actors.diffusion.pipelines.registry import kind_of

        try:
            file = lora_file(config.policy.lora.init)
            if Path(config.policy.model, "model_index.json").is_file():  # not a name on the hub
                yield from init_problems(config.policy, kind_of(config.policy.model).part, file)
        except ValueError as error:
            yield str(error)


def _steps(config: ExperimentConfig) -> Iterator[str]:
    """What is wrong with the policy on disk, or with the steps that its scheduler is to take."""
    from actors.diffusion.pipelines.registry import kind_of, missing_parts, stored_transition

    policy = config.policy.model
    if not Path(policy, "model_index.json").is_file():  # a name on the hub
        return
    try:
        if config.policy.train == "lora":
            yield from target_problems(config.policy, kind_of(policy).part)
        transition = stored_transition(config.policy, config.sampler)
        config.learner.algorithm.arithmetic(config.training, transition.stochastic.numpy())
        for part in missing_parts(policy):
            yield f"policy.model: the folder {policy} has no {part}, which its model_index.json names; is it whole?"
    except OSError as error:
        yield f"policy.model: {error.filename} cannot be read ({error.strerror})"
    except ValueError as error:
        yield str(error)
