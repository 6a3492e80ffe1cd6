# pyright: strict
"""Preflight: what can be known to fail is refused before anything starts."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path

from actors.prompts import PromptList
from cluster.config.experiment import ExperimentConfig
from cluster.errors import PreflightError
from cluster.run.machine import Machine
from cluster.run.resources import missing_resources, resource_requests
from rewards.config import RewardsConfig
from rewards.extras import missing
from rewards.registry import settings_of
from rewards.settings.requirements import ModelSource

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def preflight(config: ExperimentConfig, machine: Machine | None = None) -> None:
    """Raises PreflightError if models or prompts are missing, or if the parts do not fit `machine` (default: this).

    On an existing cluster (`cluster.address`) only models and prompts are checked.
    """
    if problems := [
        *_models(config),
        *_prompts(config),
        *missing_resources(resource_requests(config), config.cluster, machine),
    ]:
        raise PreflightError("\n".join(problems))


def _models(config: ExperimentConfig) -> Iterator[str]:
    policy = config.policy.model
    yield from _model("policy.model", ModelSource(policy, "model_index.json"))
    if Path(policy, "model_index.json").is_file():
        yield from _steps(config)
    yield from _init(config)
    yield from judge_models(config.rewards)


def _init(config: ExperimentConfig) -> Iterator[str]:
    """What is wrong with the LoRA that the run is to start from."""
    if config.policy.lora.init is not None:
        from actors.diffusion.lora_file import lora_file

        try:
            lora_file(config.policy.lora.init)
        except ValueError as error:
            yield str(error)


def _steps(config: ExperimentConfig) -> Iterator[str]:
    """What is wrong with the policy on disk, or with the steps that its scheduler is to take."""
    from actors.diffusion.registry import kind_of
    from cluster.config.batch_summary import stochastic_steps

    policy, sampler = config.policy.model, config.sampler
    try:
        kind_of(policy)
        schedule = Path(policy, "scheduler", "scheduler_config.json")
        trained = json.loads(schedule.read_text("utf-8")).get("num_train_timesteps", 1000)
        if sampler.steps > trained:
            yield f"sampler.steps: {sampler.steps} is more than the {trained} that {policy} was trained with"
        else:
            config.learner.algorithm.arithmetic(config.training, stochastic_steps(config))
    except OSError as error:
        yield f"policy.model: {error.filename} cannot be read ({error.strerror})"
    except ValueError as error:
        yield str(error)


def judge_models(rewards: RewardsConfig) -> Iterator[str]:
    """What is wrong with the judges' models and import paths; one line per problem. Imports judges of a user's own."""
    for name, judge in rewards.judges.items():
        path = judge.import_path
        if path is not None and not _importable(path.partition(":")[0]):
            yield f"rewards.judges.{name}.kind: there is no module to import for {path!r}; is it on PYTHONPATH?"
            continue
        try:
            settings = settings_of(name, judge)
        except ValueError as error:
            yield str(error)
            continue
        for key, model in settings.models().items():
            yield from _model(f"rewards.judges.{name}.{key}", model)
        if (extra := settings.requires) is not None and not _importable(extra.module):
            yield f"rewards.judges.{name}.kind: {judge.kind} {missing(*extra)}"


def _model(key: str, source: ModelSource) -> Iterator[str]:
    model, file, converted = source
    folder = Path(model).expanduser()
    if folder.is_dir():
        if file is not None and not (folder / file).is_file():
            yield f"{key}: the folder {model} holds no {file}; give one that save_pretrained wrote"
    elif converted:
        yield f"{key}: there is no folder {model}; the model must be converted first (docs/judges.md)"
    elif not HUB_NAME.fullmatch(model) or Path(model).parent.is_dir():
        yield f"{key}: there is no folder {model}; give a from_pretrained folder, or a hub name such as org/name"


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _prompts(config: ExperimentConfig) -> Iterator[str]:
    files = {"prompts.file": config.prompts.file, "prompts.holdout": config.prompts.holdout}
    for key, file in files.items():
        if file is not None:
            try:
                prompts = PromptList(file)
            except ValueError as error:
                yield f"{key}: {str(error).removeprefix('prompts: ')}"
            else:
                yield from _judged(config, prompts) if key == "prompts.file" else ()


def _judged(config: ExperimentConfig, prompts: PromptList) -> Iterator[str]:
    """A prompt that no train judge applies to would be drawn for nothing, again and again."""
    judges = [judge for judge in config.rewards.judges.values() if judge.role == "train"]
    for prompt, metadata in (prompts[i] for i in range(len(prompts))):
        if not any(judge.applies_to(metadata) for judge in judges):
            yield (
                f"rewards.judges: no train judge applies to the prompt {prompt!r} of {prompts.file}; widen an "
                "applies_if, or give the prompt the metadata that one asks for"
            )
            return
