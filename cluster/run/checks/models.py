# pyright: strict
"""What is wrong with models, told from their folders' own files before anything is loaded."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from actors.config import PolicyConfig
from rewards.config import RewardsConfig
from rewards.extras import missing
from rewards.registry import settings_of
from rewards.settings.requirements import ModelSource
from rewards.user_input.model_folder import WEIGHTS, folder_problems, variant_of

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def model_problems(key: str, source: ModelSource, variant: str | None = None, here: bool = True) -> Iterator[str]:
    """What is wrong with one model, which the config has at `key`, and of which `variant` is to be loaded; unless
    `here`, one that is still to be converted is not."""
    model, file, converted, types = source
    folder = Path(model)
    if folder.is_dir():
        if file is not None and not (folder / file).is_file():
            yield f"{key}: the folder {model} holds no {file}; give one that save_pretrained wrote"
        else:
            yield from (f"{key}: {problem}" for problem in folder_problems(folder, types, variant))
    elif converted and not here:
        return
    elif converted:
        yield f"{key}: there is no folder {model}; the model must be converted first (docs/judges.md)"
    elif not HUB_NAME.fullmatch(model) or folder.parent.is_dir():
        yield f"{key}: there is no folder {model}; give a from_pretrained folder, or a hub name such as org/name"


def judge_problems(rewards: RewardsConfig, here: bool = True) -> Iterator[str]:
    """What is wrong with the judges' models and import paths; one line per problem. Imports judges of a user's own.
    Unless `here`, packages that are not installed and models that are not converted are no problems."""
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
            yield from model_problems(f"rewards.judges.{name}.{key}", model, here=here)
        if here and (extra := settings.requires) is not None and not _importable(extra.module):
            yield f"rewards.judges.{name}.kind: {judge.kind} {missing(*extra)}"


def policy_problems(policy: PolicyConfig) -> Iterator[str]:
    """What is wrong with the policy's model or its variant."""
    yield from model_problems("policy.model", ModelSource(policy.model, "model_index.json"), policy.variant)
    if (variant := policy.variant) is not None and (folder := Path(policy.model)).is_dir():
        found = {variant_of(file) for file in folder.rglob("*") if file.suffix in WEIGHTS}
        if variant not in found:
            others = ", ".join(sorted(name for name in found if name is not None)) or "none"
            yield f"policy.variant: no weights in {folder} are of the variant {variant!r}; it has {others}"


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
