"""The judges of the benchmark that are no part of Salon: one that costs nothing, and one as reward servers have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewards.arrays import ImageArray
from rewards.judge import Judge
from rewards.judges.synartifact.bertscore import text_model_folder
from rewards.judges.synartifact.taxonomy import ARTIFACTS, NO_ARTIFACTS
from rewards.judges.synartifact.template import artifact_prompt
from rewards.verdict import Verdict

PHRASES = [NO_ARTIFACTS, *(artifact.name for artifact in ARTIFACTS)]


class Empty(Judge):
    """Answers 0 at once: what is left is the cost of asking."""

    def __init__(self, name: str, model: str | None, device: str) -> None:
        self.name, self.version = name, "empty"

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        return [Verdict(self.name, "ok", value=0.0, version=self.version) for _ in prompts]


class Usual(Judge):
    """SynArtifact's judge as reward servers are commonly written: processor, `generate`, BERTScore of every answer.

    The same weights, question and Eq. 4 as the judge `artifact`, one batch a request, with nothing remembered.
    """

    def __init__(self, name: str, model: str, device: str) -> None:
        import torch
        from bert_score import BERTScorer
        from transformers import AutoProcessor, LlavaForConditionalGeneration

        self.name, self.version = name, "usual"
        self._model: Any = LlavaForConditionalGeneration.from_pretrained(model, dtype=torch.float32).eval()
        self._processor: Any = AutoProcessor.from_pretrained(model)
        self._processor.tokenizer.padding_side = "left"
        self._scorer = BERTScorer(model_type=text_model_folder("minilm"), num_layers=6)
        self._scorer._tokenizer.model_max_length = 512

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        import torch
        from PIL import Image

        with torch.inference_mode():
            pictures, questions = [Image.fromarray(image) for image in images], [artifact_prompt()] * len(images)
            inputs = self._processor(images=pictures, text=questions, return_tensors="pt", padding=True)
            written = self._model.generate(**inputs, do_sample=False, max_new_tokens=64)
            answers = self._processor.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            answers = [text.strip() for text in answers]
            said = [answer or "?" for answer in answers for _ in PHRASES]
            scored: Any = self._scorer.score(said, PHRASES * len(answers), batch_size=256)
        clean, artifacts = scored[2].reshape(len(answers), -1).split([1, len(ARTIFACTS)], 1)
        values = (clean[:, 0] - artifacts.mean(1) + 1).tolist()
        return [
            Verdict(self.name, "ok", value=value, text=answer, version=self.version)
            for value, answer in zip(values, answers, strict=True)
        ]
