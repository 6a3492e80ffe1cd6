"""The rich-feedback judge: four scores, two heatmaps and the misaligned words, by a RAHF model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from rewards.arrays import Float32Array, ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.models.misaligned_words import misaligned_words
from rewards.settings.judge import ModelConfig
from rewards.verdict import Verdict

if TYPE_CHECKING:
    import torch


class RichFeedbackConfig(ModelConfig):
    """RAHF: four scores, two heatmaps, and the words of the prompt that the picture does not show."""

    kind: str = "rich_feedback"
    model_types: ClassVar = ("salon_rahf",)
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


class RichFeedbackJudge(Judge):
    """Value: the weighted mean of the four scores of RAHF (arXiv 2312.10240), in 0..1; by default `overall` alone.

    `scores` has all four, `heatmaps` where the picture is implausible and where it does not fit the prompt
    (`implausibility`, `misalignment`, `[h, w]` of the model's size), `words` the prompt's misaligned words; the text is
    what the decoder wrote. `truncated` says that the prompt, or that text, was longer than the model reads.
    """

    Config = RichFeedbackConfig
    heatmaps = ("implausibility", "misalignment")

    def __init__(self, name: str, config: RichFeedbackConfig, device: str = "cpu") -> None:
        from transformers import AutoTokenizer

        from rewards.models.rahf import RahfModel
        from rewards.pretrained import commit_of, load_frozen

        self.name, self._device, self._micro_batch = name, device, config.micro_batch
        self._weights: dict[str, float] = {**config.weights}
        self._model = load_frozen(RahfModel, config.model, device, config.dtype)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(config.model)
        self._length = int(self._model.config.max_tokens)
        settings = [sorted(self._weights.items()), config.dtype]
        self.version = fingerprint(config.model, kind="rich_feedback", commit=commit_of(self._model), settings=settings)

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for start in range(0, len(images), self._micro_batch):
            part = slice(start, start + self._micro_batch)
            verdicts += self._judge_batch(images[part], list(prompts[part]))
        return verdicts

    def _judge_batch(self, images: ImageArray, prompts: list[str]) -> list[Verdict]:
        cut = [len(ids) > self._length for ids in self._tokenizer(prompts, verbose=False)["input_ids"]]
        tokens = self._tokenizer(
            prompts, return_tensors="pt", padding=True, padding_side="right", truncation=True, max_length=self._length
        ).to(self._device)
        maps, scores, written = self._model.predict(self._pixels(images), tokens["input_ids"], tokens["attention_mask"])
        ended = (written == self._model.t5.config.eos_token_id).any(1).tolist()
        texts = [text.strip() for text in self._tokenizer.batch_decode(written, skip_special_tokens=True)]
        return [
            self._verdict(
                prompts[i], maps[i].float().cpu().numpy(), scores[i].tolist(), texts[i], cut[i] or not ended[i]
            )
            for i in range(len(prompts))
        ]

    def _pixels(self, images: ImageArray) -> torch.Tensor:
        import torch

        size = (self._model.vit.config.image_size,) * 2
        resized = [Image.fromarray(image).resize(size, Image.Resampling.BILINEAR) for image in images]
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in resized])).permute(0, 3, 1, 2)
        return pixels.to(self._device).float().div(127.5).sub(1).to(self._model.dtype)

    def _verdict(self, prompt: str, maps: Float32Array, values: list[float], text: str, truncated: bool) -> Verdict:
        from rewards.models.rahf import HEATMAPS, SCORES

        scores = dict(zip(SCORES, values, strict=True))
        total = sum(self._weights.values())
        return Verdict(
            self.name,
            "ok",
            value=sum(weight * scores[score] for score, weight in self._weights.items()) / total,
            scores=scores,
            text=text,
            heatmaps=dict(zip(HEATMAPS, maps, strict=True)),
            words=misaligned_words(prompt, text),
            version=self.version,
            truncated=truncated,
        )
