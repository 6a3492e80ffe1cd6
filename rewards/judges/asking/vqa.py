"""The VQA judge: the share of the prompt's questions that a model answers right from the picture."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from rewards.arrays import ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.judges.asking.questions import MAX_QUESTIONS, Question, questions_of
from rewards.models.vlm.base import first_too_long
from rewards.models.vlm.load import load_vision_language
from rewards.prompt_metadata import metadata_of
from rewards.settings.judge import VisionLanguageConfig
from rewards.verdict import Verdict


class VqaConfig(VisionLanguageConfig):
    """The share of the prompt's own questions (`questions` in its metadata) that the picture answers right."""

    kind: str = "vqa"
    max_new_tokens: int = Field(default=8, ge=1)
    """tokens of an answer"""

    def cannot_judge(self, prompt: str, metadata: Mapping[str, Any]) -> str:
        questions = questions_of(metadata)
        if len(questions) > MAX_QUESTIONS:
            return f"it has {len(questions):,} questions, and at most {MAX_QUESTIONS} are asked"
        return "" if questions else "it has no `questions` in its metadata"


class VqaJudge(Judge):
    """Value: the share of the prompt's questions that are answered right, in 0..1 (AGFSync, arXiv 2403.13352; TIFA).

    Questions come from the prompt's metadata (`asking.questions`). `scores` has the share for each type of question;
    the text is a JSON list of element, question, expected answer and what the model wrote. A prompt without questions,
    with more than MAX_QUESTIONS or with one that is too long for the model, and an answer that is none of those there
    are to choose from, are abstentions.
    """

    Config = VqaConfig

    def __init__(self, name: str, config: VqaConfig, device: str = "cpu") -> None:
        self.name, self._max_new_tokens = name, config.max_new_tokens
        self._model = load_vision_language(name, config, device)
        self.version = fingerprint(
            config.model,
            kind="vqa",
            commit=self._model.commit,
            settings=[self._model.prompt("?"), config.max_new_tokens, config.dtype, config.backend],
        )

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        asked = [questions_of(known) for known in metadata_of(len(images), metadata)]
        refused = [self._refusal(questions) for questions in asked]
        asked = [[] if reason else questions for questions, reason in zip(asked, refused, strict=True)]
        which = [i for i, questions in enumerate(asked) for _ in questions]
        texts = [self._model.prompt(question.asked) for questions in asked for question in questions]
        answers = iter(self._model.answer(images, texts, self._max_new_tokens, which))
        return [
            Verdict(self.name, "abstain", text=reason, version=self.version)
            if reason
            else self._verdict(questions, [next(answers).text for _ in questions])
            for questions, reason in zip(asked, refused, strict=True)
        ]

    def _refusal(self, questions: Sequence[Question]) -> str:
        """Why `questions` are not asked; empty if they are."""
        if len(questions) > MAX_QUESTIONS:
            return f"the prompt has {len(questions):,} questions; at most {MAX_QUESTIONS} are asked"
        return first_too_long(self._model, (question.asked for question in questions), self._max_new_tokens)

    def _verdict(self, questions: Sequence[Question], answers: Sequence[str]) -> Verdict:
        text = json.dumps(
            [
                {"element": q.element, "question": q.question, "expected": q.answer, "answer": answer}
                for q, answer in zip(questions, answers, strict=True)
            ],
            ensure_ascii=False,
        )
        read = [question.right(answer) for question, answer in zip(questions, answers, strict=True)]
        right = [one for one in read if one is not None]
        if not right or len(right) < len(read):
            return Verdict(self.name, "abstain", text=text, version=self.version)
        by_type: defaultdict[str, list[float]] = defaultdict(list)
        for question, one in zip(questions, right, strict=True):
            by_type[question.type].append(float(one))
        return Verdict(
            self.name,
            "ok",
            value=float(np.mean([one for group in by_type.values() for one in group])),
            scores={kind: float(np.mean(group)) for kind, group in by_type.items()},
            text=text,
            version=self.version,
        )
