"""VQAScore: how sure a model is that the picture shows the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.verdict import Verdict
from rewards.vision_language import Backend, load_vision_language


class VqaScoreJudge(Judge):
    """Value: P("yes") of "Does this figure show the prompt?", in 0..1 (Lin et al. 2024, arXiv 2404.01291, Eq. 1).

    The probability is over the whole vocabulary, read from the logits of the answer's first token, and summed over
    the tokens that are the word yes in any case. `scores` has it beside that of no.
    """

    def __init__(
        self,
        name: str,
        model: str,
        device: str = "cpu",
        *,
        question: str = 'Does this figure show "{prompt}"? Please answer yes or no.',
        micro_batch: int = 16,
        dtype: str = "float32",
        backend: Backend = "transformers",
        gpu_memory: float = 0.9,
    ) -> None:
        self.name, self._question = name, question
        self._model = load_vision_language(name, model, device, dtype, micro_batch, backend, gpu_memory)
        settings = [self._model.prompt(question), dtype, backend]
        self.version = fingerprint(model, kind="vqascore", commit=self._model.commit, settings=settings)

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        texts = [self._model.prompt(self._question.replace("{prompt}", prompt)) for prompt in prompts]
        return [
            Verdict(self.name, "ok", value=min(yes, 1.0), scores={"yes": yes, "no": no}, version=self.version)
            for yes, no in self._model.yes_no(images, texts)
        ]
