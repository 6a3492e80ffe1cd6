# pyright: strict
"""The learner's settings: the `learner:` section of an experiment's YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, cast, get_args

from pydantic import Field, model_validator

from learners.algorithms.algorithm import AlgorithmConfig, StatisticsChart
from learners.algorithms.ddpo import DDPOConfig
from learners.algorithms.dpo import DPOConfig
from learners.algorithms.nft import NFTConfig
from learners.algorithms.rwr import RWRConfig
from learners.algorithms.sft import SFTConfig
from learners.settings import LearnerSettings

Algorithm = DDPOConfig | NFTConfig | DPOConfig | SFTConfig | RWRConfig


class LearnerConfig(LearnerSettings):
    """One update of the policy: the algorithm, its step size, its geometry and the machinery that runs it."""

    renamed: ClassVar[Mapping[str, str]] = {
        "clip": "algorithm.clip",
        "advantage": "algorithm.advantage",
        "timestep_window": "algorithm.timestep_window",
        "timestep_fraction": "algorithm.timestep_fraction",
        "kl": "algorithm.kl",
        "ratio_tolerance": "algorithm.ratio_tolerance",
    }

    algorithm: Annotated[Algorithm, Field(discriminator="kind")] = DDPOConfig()
    """What an update optimizes. `kind` says which algorithm; the other keys are that algorithm's own."""

    @model_validator(mode="before")
    @classmethod
    def _default_kind(cls, values: Any) -> Any:
        """A section `algorithm` without a `kind` is the default algorithm's."""
        if isinstance(values, Mapping):
            section = dict(cast("Mapping[str, Any]", values))
            if isinstance(algorithm := section.get("algorithm"), Mapping):
                kind = cls.model_fields["algorithm"].default.kind
                section["algorithm"] = {"kind": kind, **cast("Mapping[str, Any]", algorithm)}
            return section
        return values


def statistics_charts(kind: str | None) -> tuple[StatisticsChart, ...]:
    """What the report draws of the algorithm `kind` (None: the default one); nothing if there is no such algorithm."""
    field = LearnerConfig.model_fields["algorithm"]
    variants = cast("tuple[type[AlgorithmConfig], ...]", get_args(field.annotation) or (field.annotation,))
    found = {str(variant.model_fields["kind"].default): variant.charts for variant in variants}
    return found.get(kind or LearnerConfig().algorithm.kind, ())
