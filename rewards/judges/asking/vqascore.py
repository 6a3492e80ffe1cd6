"""VQAScore: the probability, to a vision-language model, that the picture shows the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import model_validator

from rewards.arrays import ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.models.vlm.load import load_vision_language
from rewards.settings.judge import VisionLanguageConfig
from rewards.verdict import Verdict


class VqaScoreConfig(VisionLanguageConfig):
    """VQAScore: the probability of yes to "does this figure show the prompt?"."""

    kind: str = "vqascore"
    question: str = 'Does this figure show "{prompt}"? Please answer yes or no.'
    """the question, with {prompt} where the prompt goes"""

    @model_validator(mode="after")
    def _place(self) -> Self:
        if "{prompt}" not in self.question:
            raise ValueError("question has no {prompt} in it, so every prompt would be judged the same")
        return self


class VqaScoreJudge(Judge):
    """Value: P("yes") of "Does this figure show the prompt?", in 0..1 (Lin et al. 2024, arXiv 2404.01291, Eq. 1).

    The probability is over the whole vocabulary, read from the logits of the answer's first token, and summed over
    the tokens that are the word yes in any case. `scores` has those of yes and of no. A prompt that is too long for the
    model is an abstention.
    """

    Config = VqaScoreConfig

    def __init__(self, name: str, config: VqaScoreConfig, device: str = "cpu") -> None:
        self.name, self._question = name, config.question
        self._model = load_vision_language(name, config, device)
        settings = [self._model.prompt(config.question), config.dtype, config.backend]
        self.version = fingerprint(config.model, kind="vqascore", commit=self._model.commit, settings=settings)

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        questions = [self._question.replace("{prompt}", prompt) for prompt in prompts]
        refused = [self._model.too_long(question) for question in questions]
        which = [i for i, reason in enumerate(refused) if not reason]
        chances = iter(self._model.yes_no(images, [self._model.prompt(questions[i]) for i in which], which))
        return [
            Verdict(self.name, "abstain", text=reason, version=self.version)
            if reason
            else self._verdict(*next(chances))
            for reason in refused
        ]

    def _verdict(self, yes: float, no: float) -> Verdict:
        return Verdict(self.name, "ok", value=min(yes, 1.0), scores={"yes": yes, "no": no}, version=self.version)
