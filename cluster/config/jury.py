"""A jury without a run: what `salon serve` and `salon judge` read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cluster.config.experiment import ClusterConfig, ExperimentConfig
from cluster.config.loading import load_as
from rewards.config import RewardsConfig
from rewards.settings.section import Section


class JuryConfig(Section):
    """The two sections of an experiment that a jury needs."""

    rewards: RewardsConfig
    cluster: ClusterConfig = ClusterConfig()


def load_jury(path: Path, overrides: Sequence[str] = ()) -> JuryConfig:
    """The jury in the YAML file at `path`: an experiment's, or a file with only `rewards:`.

    `overrides` are as `--set` has them. Raises ConfigError, with one line per problem.
    """
    others = ExperimentConfig.model_fields.keys() - JuryConfig.model_fields.keys()
    return load_as(JuryConfig, path, overrides, others)
