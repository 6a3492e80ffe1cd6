# pyright: strict
"""What the settings of every kind of judge have in common."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from rewards.serving import Section, ServingConfig

Precision = Literal["float32", "bfloat16", "float16"]


class JudgeConfig(Section):
    """What every judge has, whatever its kind. The settings of a kind are the fields that its class adds."""

    implementation: ClassVar[str] = ""
    """module:Class of the judge, so that a process imports only the libraries of the judges that it runs"""

    kind: str
    """which class of judge, or "package.module:Class" for a judge of your own"""
    role: Literal["train", "audit"] = "train"
    """audit: watched and logged, never part of the reward"""
    weight: float = Field(default=1.0, gt=0)
    """factor of this judge's value in the reward (role train)"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: cuda if a GPU is asked for in `serve` and there is one"""
    serve: ServingConfig = ServingConfig()

    def settings(self) -> dict[str, Any]:
        """The keyword arguments, beyond name, model and device, of this kind's class."""
        common = {*JudgeConfig.model_fields, "model"}
        return {name: getattr(self, name) for name in type(self).model_fields if name not in common}


class ModelConfig(JudgeConfig):
    """A judge that is a model."""

    model: str
    """a from_pretrained folder (or hub name)"""
