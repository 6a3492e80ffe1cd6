"""The config that a run keeps in its directory.

Reports read it as values and not as an experiment, because an earlier version's may no longer validate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from cluster.config.experiment import ExperimentConfig
from cluster.config.renamed_keys import rename_keys
from cluster.config.yaml_source import read_yaml
from cluster.errors import ConfigError
from cluster.tracking.alarm import AlarmConfig
from cluster.tracking.history import CONFIG_FILE


class _Judge(BaseModel):
    role: str = "train"
    kind: str


class _Rewards(BaseModel):
    judges: dict[str, _Judge] | None = None


class _Actors(BaseModel):
    count: PositiveInt = 1


class _Read(BaseModel):
    """What reports read of a config, whatever else is in it."""

    model_config = ConfigDict(strict=True)

    name: str = ""
    seed: int = 0
    updates: NonNegativeInt = 0
    policy: dict[str, Any] | None = None
    learner: dict[str, Any] | None = None
    actors: _Actors = _Actors()
    rewards: _Rewards | None = None
    alarm: AlarmConfig | None = None


def stored_config(run_dir: Path) -> tuple[str, dict[str, Any]]:
    """The YAML of the run in `run_dir`, and the values in it by their names of today.

    Raises FileNotFoundError when that is not a run, ConfigError when the YAML is damaged, or what reports read of it.
    """
    path = run_dir / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{run_dir}: there is no {CONFIG_FILE} in it; name the directory of a run (runs/NAME)")
    values = read_yaml(path)
    rename_keys(ExperimentConfig, values, f"{path}: ")
    try:
        _Read.model_validate(values)
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors())
        raise ConfigError("\n".join(lines)) from None
    return path.read_text(encoding="utf-8"), values
