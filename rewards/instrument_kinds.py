# pyright: strict
"""The settings of the judges that measure: tuned CLIPs, an aesthetic predictor, a detector, readers and statistics."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from rewards.judge_config import ModelConfig, Precision


class PreferenceConfig(ModelConfig):
    """A CLIP that was tuned on people's choices between pictures."""

    processor: str | None = None
    """folder or hub name of the image processor and tokenizer; default: the model's own"""
    micro_batch: int = Field(default=64, ge=1)
    """pictures per forward pass"""
    dtype: Precision = "float32"
    """precision of the weights"""


class PickScoreConfig(PreferenceConfig):
    """PickScore: which of two pictures of a prompt people pick."""

    implementation: ClassVar[str] = "rewards.pickscore:PickScoreJudge"
    kind: str = "pickscore"


class HpsConfig(PreferenceConfig):
    """HPSv2: how people rank pictures of one prompt. Values of different prompts can't be compared."""

    implementation: ClassVar[str] = "rewards.hps:HpsJudge"
    kind: str = "hps"
