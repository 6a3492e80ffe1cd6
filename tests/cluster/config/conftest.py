"""A YAML file of the test's own, and what is said when it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiments import MENAGERIE, Refusal, Write

from cluster.config.experiment import load_config
from cluster.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "experiment.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def refusal(write: Write) -> Refusal:
    """The lines with which the experiment and `overrides` are refused, the folder of the file left out."""

    def refusal(*overrides: str, text: str = MENAGERIE) -> list[str]:
        path = write(text)
        with pytest.raises(ConfigError) as error:
            load_config(path, overrides)
        return str(error.value).replace(f"{path.parent}/", "").splitlines()

    return refusal
