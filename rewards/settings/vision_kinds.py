# pyright: strict
"""The settings of the judges that put questions to a vision-language model, and of the rich-feedback model."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rewards.settings.judge import ModelConfig, Precision


class AskingConfig(ModelConfig):
    """A judge that asks a LLaVA, BLIP or BLIP-2; which of them is what the model's own config says."""

    backend: Literal["transformers", "vllm"] = "transformers"
    """what runs the model; vllm (an extra: pip install 'salon[vllm]') is for LLaVA on GPUs"""
    gpu_memory: float = Field(default=0.9, gt=0, le=1)
    """share of the GPU's memory that vllm takes for itself"""
    micro_batch: int = Field(default=16, ge=1)
    """pictures, and questions, per forward pass (backend transformers)"""
    dtype: Precision = "float32"
    """precision of the weights; a BLIP-2 with a T5 can't be run in float16"""


class VqaConfig(AskingConfig):
    """The share of the prompt's own yes/no questions (`questions` in its metadata) that the picture answers right."""

    implementation: ClassVar[str] = "rewards.judges.asking.vqa:VqaJudge"
    kind: str = "vqa"
    max_new_tokens: int = Field(default=8, ge=1)
    """tokens of an answer; its first word decides"""


class VqaScoreConfig(AskingConfig):
    """VQAScore: the probability of yes to "does this figure show the prompt?"."""

    implementation: ClassVar[str] = "rewards.judges.asking.vqascore:VqaScoreJudge"
    kind: str = "vqascore"
    question: str = 'Does this figure show "{prompt}"? Please answer yes or no.'
    """the question, with {prompt} where the prompt goes"""

    @model_validator(mode="after")
    def _place(self) -> Self:
        if "{prompt}" not in self.question:
            raise ValueError("question has no {prompt} in it, so every prompt would be judged the same")
        return self


class RubricConfig(AskingConfig):
    """CCSR's ten questions about a picture of one class of object."""

    implementation: ClassVar[str] = "rewards.judges.asking.rubric:RubricJudge"
    kind: str = "rubric"
    rule: Literal["equation1", "table1"] = "equation1"
    """how answers become points: the paper's Eq. 1, or as its Table 1 and released script count"""
    class_name: str | None = None
    """what the picture should show, where the prompt's metadata has no `class`"""
    min_mass: float = Field(default=0.5, ge=0, le=1)
    """an answer counts if yes and no have at least this probability together; below, the judge abstains"""


class ArtifactDetectionConfig(AskingConfig):
    """SynArtifact's detector: whether there are artifacts, which, where, and how they look."""

    implementation: ClassVar[str] = "rewards.judges.synartifact.artifact_detection:ArtifactDetectionJudge"
    kind: str = "artifact_detection"
    template: Literal["full", "short"] = "full"
    """the question about categories: the paper's four parts, or one line, for a model with a short context"""
    max_new_tokens: int = Field(default=64, ge=1)
    """an answer that is longer is cut, and the judge abstains"""


class RichFeedbackConfig(ModelConfig):
    """RAHF: four scores, two heatmaps, and the words of the prompt that the picture does not show."""

    implementation: ClassVar[str] = "rewards.judges.rich_feedback:RichFeedbackJudge"
    kind: str = "rich_feedback"
    weights: dict[Literal["plausibility", "alignment", "aesthetics", "overall"], float] = Field(
        default_factory=lambda: {"overall": 1.0}
    )
    """the value is the mean of these scores, weighted; one score alone is itself"""
    micro_batch: int = Field(default=16, ge=1)
    """pictures per forward pass"""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """precision of the weights; the T5 in it overflows float16 into garbage"""

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if not self.weights or min(self.weights.values()) < 0 or sum(self.weights.values()) == 0:
            raise ValueError("weights must be at least one score with a positive weight, and none negative")
        return self
