"""Loading a config: a YAML file, `--set` overrides on top, checked as a whole."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cluster.config.config_errors import describe_errors
from cluster.config.renamed_keys import Renaming, rename_keys, todays_key
from cluster.config.yaml_source import put_value, read_override, read_yaml
from cluster.errors import ConfigError
from rewards.errors import shortened

Model = TypeVar("Model", bound=BaseModel)


def load_as(
    model: type[Model],
    path: Path,
    overrides: Sequence[str] = (),
    others: Collection[str] = frozenset(),
    *,
    stored: bool = False,
) -> Model:
    """As `cluster.config.experiment.load_config`, for any `model`; top-level keys in `others` are not looked at."""
    values = {key: value for key, value in read_yaml(path).items() if key not in others}
    file = _Written(f"{path}: ", "", rename_keys(model, values, f"{path}: "))
    sources = _Sources(str(path), file, [_override(model, values, o, others) for o in overrides])
    for source in [*([] if stored else [file]), *sources.overrides]:
        for renaming in source.renamings:
            print(f"salon: {source.where}{renaming}", file=sys.stderr)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(describe_errors(error, model, sources))) from None


def _override(model: type[BaseModel], values: dict[str, Any], override: str, others: Collection[str]) -> _Written:
    """Puts the `override` "a.b=c" into `values`, under today's names."""
    written, value = read_override(override)
    key = todays_key(model, written, values)
    if key.partition(".")[0] in others:
        read = " and ".join(model.model_fields)
        raise ConfigError(f"--set {shortened(written)}: salon serve and salon judge read {read}, and nothing else")
    put_value(values, key, value, f"--set {shortened(override)}")
    renamings = [] if key == written else [Renaming(written, key, key)]
    return _Written("--set ", key, [*renamings, *rename_keys(model, values, "--set ")])


@dataclass(frozen=True, slots=True)
class _Written:
    """One source of a config: the file, or an override and its key of today; and what it has under former names."""

    where: str
    key: str
    renamings: Sequence[Renaming] = ()

    def key_of(self, key: str) -> str:
        for renaming in self.renamings:
            key = renaming.former(key)
        return key


@dataclass(frozen=True, slots=True)
class _Sources:
    path: str
    file: _Written
    overrides: Sequence[_Written] = field(default_factory=list[_Written])

    def of(self, key: str) -> str:
        for override in reversed(self.overrides):
            if key == override.key or key.startswith(f"{override.key}."):
                return f"--set {override.key_of(key)}"
        inside = [f"--set {o.key_of(o.key)}" for o in self.overrides if not key or o.key.startswith(f"{key}.")]
        file = f"{self.path} with {' '.join(inside)}" if inside else self.path
        return f"{file}: {self.file.key_of(key)}" if key else file

    def written(self, key: str) -> str:
        for source in (*self.overrides, self.file):
            if (found := source.key_of(key)) != key:
                return found
        return key
