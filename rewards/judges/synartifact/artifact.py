"""The artifact judge of SynArtifact: a LLaVA classifier names artifacts, BERTScore makes a reward of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rewards.fingerprint import fingerprint
from rewards.judge import Judge, SubScore, SubScores
from rewards.judges.synartifact.bertscore import BertScoreReward
from rewards.judges.synartifact.taxonomy import ARTIFACTS, NO_ARTIFACTS
from rewards.judges.synartifact.template import Style, artifact_prompt, format_answer, parse_answer
from rewards.models.vlm.base import Answer, Backend, load_vision_language
from rewards.verdict import Verdict


class ArtifactJudge(Judge):
    """Value: Eq. 4 of SynArtifact (arXiv 2402.18068) on the classifier's answer.

    The verdict's text is the answer as given; `scores` has `artifact_free`, 1 or 0. Eq. 4 sees the answer in its
    canonical form (the taxonomy's order and spelling), so naming the same artifacts in another order is the same
    reward. An answer outside the grammar, or longer than `max_new_tokens`, is an abstention.
    """

    sub_scores: ClassVar[SubScores] = {"artifact_free": SubScore("free of artifacts", share=True, flawless=True)}

    def __init__(
        self,
        name: str,
        model: str,
        device: str = "cpu",
        *,
        alpha: float = 1 / 13,
        beta: float = 1.0,
        text_model: str = "minilm",
        text_layers: int | None = None,
        template: Style = "full",
        max_new_tokens: int = 64,
        micro_batch: int = 16,
        dtype: str = "float32",
        backend: Backend = "transformers",
        gpu_memory: float = 0.9,
    ) -> None:
        self.name = name
        self._llava = load_vision_language(name, model, device, dtype, micro_batch, backend, gpu_memory)
        self._reward = BertScoreReward(text_model, alpha, beta, device, text_layers)
        self._prompt = artifact_prompt(template)
        self._max_new_tokens = max_new_tokens
        text_folder = self._reward.folder
        self.version = fingerprint(
            model,
            commit=self._llava.commit,
            prompt=self._prompt,
            phrases=[NO_ARTIFACTS, *(artifact.name for artifact in ARTIFACTS)],
            text_model=fingerprint(text_folder) if Path(text_folder).is_dir() else text_folder,
            settings=[alpha, beta, text_layers, max_new_tokens, dtype, backend],
        )

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        answers = self._llava.answer(images, [self._prompt] * len(images), self._max_new_tokens)
        return [self._verdict(answer) for answer in answers]

    def _verdict(self, answer: Answer) -> Verdict:
        found = None if answer.truncated else parse_answer(answer.text)
        if found is None:
            return Verdict(self.name, "abstain", text=answer.text, version=self.version, truncated=answer.truncated)
        return Verdict(
            self.name,
            "ok",
            value=self._reward.reward(format_answer(found)),
            scores={"artifact_free": float(not found)},
            text=answer.text,
            version=self.version,
        )
