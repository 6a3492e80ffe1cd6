"""The CLIP judge: the cosine of the picture's and the prompt's embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rewards.arrays import Float32Array, ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge, SubScore, SubScores
from rewards.settings.judge import BatchedConfig
from rewards.settings.requirements import ModelSource
from rewards.verdict import Verdict


class ClipConfig(BatchedConfig):
    """CLIP: how well a picture fits its prompt."""

    kind: str = "clip"
    model_types: ClassVar = ("clip",)


class PreferenceConfig(ClipConfig):
    """A CLIP that was tuned on people's choices between pictures."""

    processor: str | None = None
    """folder or hub name of the image processor and tokenizer; default: the model's own"""

    def models(self) -> dict[str, ModelSource]:
        if self.processor is None:
            return super().models()
        return super().models() | {"processor": ModelSource(self.processor, "tokenizer_config.json")}


class ClipJudge(Judge):
    """Value: cosine of the picture's and the prompt's CLIP embeddings, in -1..1 (not multiplied by CLIP's scale).

    `features` is the unit image embedding `[d]` float32. `truncated` says that the prompt was longer than the text
    tower reads (77 tokens in released models), so its end was not judged.
    """

    Config = ClipConfig
    sub_scores: ClassVar[SubScores] = {"value": SubScore(tolerated_fall=0.05, relative=True)}
    kind: ClassVar[str] = "clip"
    scaled: ClassVar[bool] = False
    """whether the value is the cosine times the model's own scale"""

    def __init__(self, name: str, config: ClipConfig, device: str = "cpu") -> None:
        from rewards.models.clip_encoder import ClipEncoder

        self.name = name
        model, dtype = config.model, config.dtype
        processor = config.processor if isinstance(config, PreferenceConfig) else None
        self._clip = ClipEncoder(model, device, micro_batch=config.micro_batch, dtype=dtype, processor=processor)
        self._scale = self._clip.scale if self.scaled else 1.0
        settings = {} if processor is None else {"processor": fingerprint(processor)}
        self.version = fingerprint(model, kind=self.kind, commit=self._clip.commit, dtype=dtype, **settings)

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        return [
            self._verdict(picture.numpy(), prompt)
            for picture, prompt in zip(self._clip.pictures(images), prompts, strict=True)
        ]

    def _verdict(self, picture: Float32Array, prompt: str) -> Verdict:
        text, truncated = self._clip.text(prompt)
        cosine = float(picture @ text.numpy())
        return Verdict(
            self.name,
            "ok",
            value=self._scale * cosine,
            scores={"cosine": cosine} if self.scaled else {},
            features=picture,
            version=self.version,
            truncated=truncated,
        )
