"""One entry of `rewards.judges`: the keys that judges of every kind have, and those that many kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from rewards.settings.panel import AppliesIf, GateConfig, NormaliseConfig
from rewards.settings.requirements import Extra, ModelSource
from rewards.settings.section import ModelName, OnError, Precision, Section
from rewards.settings.serve import ServingConfig


class JudgeConfig(Section):
    """The keys of every judge. A kind's own Config stands beside its class and adds its keys to these."""

    kind: str
    """which class of judge, or "package.module:name" for a class or function of your own"""
    role: Literal["train", "audit", "gate"] = "train"
    """train: its value is in the reward. gate: only its `gate` counts. audit: watched and logged, never counted"""
    weight: float = Field(default=1.0, gt=0)
    """factor of this judge's normalised value in the reward (role train)"""
    normalise: NormaliseConfig = NormaliseConfig()
    """how its values are normalised before they are weighted: none, affine, running, group or rank"""
    clip: tuple[float, float] | None = None
    """[low, high] that normalised values are cut to"""
    gate: GateConfig | None = None
    """a condition that its own number must fulfil, before normalising (roles train and gate)"""
    applies_if: AppliesIf | None = None
    """prompts that it judges, by their metadata; default: all. Elsewhere it is not asked, its gate is open, and the
    weights are renormalised over the other judges, so that the rewards of all prompts have one scale"""
    on_error: OnError | None = None
    """what becomes of a picture that it could not judge; default: the jury's `on_error`"""
    timeout_s: float | None = Field(default=None, gt=0)
    """seconds for its verdicts on a group, retries included; default: the jury's `deadline_s`"""
    retries: int | None = Field(default=None, ge=0)
    """calls repeated after it failed for a whole group; default: the jury's `retries`"""
    cache: int = Field(default=0, ge=0)
    """verdicts that each replica caches, by pixels, prompt, metadata and judge version; the least recently used go
    first"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: cuda if a GPU is asked for in `serve` and there is one"""
    serve: ServingConfig = ServingConfig()

    @model_validator(mode="after")
    def _panel(self) -> Self:
        if self.role == "gate" and self.gate is None:
            raise ValueError("a judge with role: gate needs a gate, such as gate: {op: '>=', threshold: 0.5}")
        if self.role == "audit" and self.gate is not None:
            raise ValueError("a judge with role: audit never counts, so it has no gate; did you mean role: gate?")
        if self.clip is not None and self.clip[0] >= self.clip[1]:
            raise ValueError(f"clip: the first number must be below the second, not {list(self.clip)}")
        return self

    def applies_to(self, metadata: Mapping[str, Any]) -> bool:
        """Whether it judges pictures of a prompt with this metadata."""
        return self.applies_if is None or self.applies_if.holds(metadata)

    def cannot_judge(self, prompt: str, metadata: Mapping[str, Any]) -> str:
        """What `prompt` lacks, so that the judge has no verdict on any picture of it; empty if it may have one.

        Raises ValueError, naming the key, for metadata that the judge could not read."""
        return ""

    def models(self) -> dict[str, ModelSource]:
        """The models that it loads, by the key that names them."""
        return {}

    @property
    def requires(self) -> Extra | None:
        """The package that it needs beyond Salon's own."""
        return None

    @property
    def import_path(self) -> str | None:
        """The `package.module:name` of a judge of a user's own; None for Salon's kinds."""
        return None


class ModelConfig(JudgeConfig):
    """A judge that is a model."""

    model: ModelName
    """a from_pretrained folder (or hub name)"""

    model_types: ClassVar[tuple[str, ...]] = ()
    """what the model's config.json may say it is; empty: anything"""

    def models(self) -> dict[str, ModelSource]:
        return {"model": ModelSource(self.model, "config.json", types=self.model_types)}


class BatchedConfig(ModelConfig):
    """A judge whose model takes many pictures at once."""

    micro_batch: int = Field(default=16, ge=1)
    """pictures per forward pass; on a CPU more leave its caches and take a fifth longer each, on a GPU they may pay"""
    dtype: Precision = "float32"
    """precision of the weights"""


class VisionLanguageConfig(ModelConfig):
    """A judge that asks a LLaVA, BLIP or BLIP-2; which of them is what the model's own config says."""

    model_types: ClassVar = ("llava", "blip", "blip-2")

    backend: Literal["transformers", "vllm"] = "transformers"
    """what runs the model; vllm (an extra: pip install 'salon[vllm]') is for LLaVA on GPUs"""
    gpu_memory: float = Field(default=0.9, gt=0, le=1)
    """share of the GPU's memory that vllm takes for itself"""
    micro_batch: int = Field(default=16, ge=1)
    """pictures, and questions, per forward pass (backend transformers)"""
    dtype: Precision = "float32"
    """precision of the weights; a BLIP-2 with a T5 can't be run in float16"""

    @property
    def requires(self) -> Extra | None:
        return Extra("vllm", "vllm") if self.backend == "vllm" else None
