"""The config that a run keeps in its directory.

Reports read it as values and not as an experiment, because an earlier version's may no longer validate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cluster.config.experiment import ExperimentConfig
from cluster.config.renamed_keys import rename_keys
from cluster.config.yaml_source import read_yaml
from cluster.tracking.history import CONFIG_FILE


def stored_config(run_dir: Path) -> tuple[str, dict[str, Any]]:
    """The YAML of the run in `run_dir`, and the values in it by their names of today, unchecked.

    Raises FileNotFoundError when that is not a run, ConfigError when the YAML is damaged.
    """
    path = run_dir / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{run_dir}: there is no {CONFIG_FILE} in it; name the directory of a run (runs/NAME)")
    values = read_yaml(path)
    rename_keys(ExperimentConfig, values, f"{path}: ")
    return path.read_text(encoding="utf-8"), values
