"""The rich-feedback judge: four scores, two heatmaps and the misaligned words, by a RAHF model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.models.misaligned_words import misaligned_words
from rewards.models.rahf import HEATMAPS, SCORES, RahfModel
from rewards.pretrained import commit_of, load_frozen
from rewards.verdict import Verdict


class RichFeedbackJudge(Judge):
    """Value: the weighted mean of the four scores of RAHF (arXiv 2312.10240), in 0..1; by default `overall` alone.

    `scores` has all four, `heatmaps` where the picture is implausible and where it does not fit the prompt
    (`implausibility`, `misalignment`, `[h, w]` of the model's size), `words` the prompt's misaligned words; the text is
    what the decoder wrote. `truncated` says that the prompt, or that text, was longer than the model reads.
    """

    def __init__(
        self,
        name: str,
        model: str,
        device: str = "cpu",
        *,
        weights: Mapping[str, float] | None = None,
        micro_batch: int = 16,
        dtype: str = "float32",
    ) -> None:
        from transformers import AutoTokenizer

        self.name, self._device, self._micro_batch = name, device, micro_batch
        self._weights = dict(weights or {"overall": 1.0})
        self._model = load_frozen(RahfModel, model, device, dtype)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
        self._length = int(self._model.config.max_tokens)
        settings = [sorted(self._weights.items()), dtype]
        self.version = fingerprint(model, kind="rich_feedback", commit=commit_of(self._model), settings=settings)

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for start in range(0, len(images), self._micro_batch):
            part = slice(start, start + self._micro_batch)
            verdicts += self._judge_batch(images[part], list(prompts[part]))
        return verdicts

    def _judge_batch(self, images: np.ndarray, prompts: list[str]) -> list[Verdict]:
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

    def _pixels(self, images: np.ndarray) -> torch.Tensor:
        size = (self._model.vit.config.image_size,) * 2
        resized = [Image.fromarray(image).resize(size, Image.Resampling.BILINEAR) for image in images]
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in resized])).permute(0, 3, 1, 2)
        return pixels.to(self._device).float().div(127.5).sub(1).to(self._model.dtype)

    def _verdict(self, prompt: str, maps: np.ndarray, values: list[float], text: str, truncated: bool) -> Verdict:
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
