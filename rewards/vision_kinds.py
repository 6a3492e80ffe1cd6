# pyright: strict
"""The settings of the judges that put questions to a vision-language model."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from rewards.judge_config import ModelConfig, Precision


class AskingConfig(ModelConfig):
    """A judge that asks a LLaVA, BLIP or BLIP-2; which of them is what the model's own config says."""

    micro_batch: int = Field(default=64, ge=1)
    """pictures, and questions, per forward pass"""
    dtype: Precision = "float32"
    """precision of the weights; a BLIP-2 with a T5 can't be run in float16"""


class VqaConfig(AskingConfig):
    """The share of the prompt's own yes/no questions (`questions` in its metadata) that the picture answers right."""

    implementation: ClassVar[str] = "rewards.vqa:VqaJudge"
    kind: str = "vqa"
    max_new_tokens: int = Field(default=8, ge=1)
    """tokens of an answer; its first word decides"""
