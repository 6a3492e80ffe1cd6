"""The rubric judge of CCSR: ten questions about a picture of one class of object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from rewards.arrays import ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.judges.asking.rubric_rules import GATE, GATED, QUESTIONS, RULES, Rule, points
from rewards.models.vlm.base import first_too_long
from rewards.models.vlm.load import load_vision_language
from rewards.prompt_metadata import metadata_of, names_of
from rewards.settings.judge import VisionLanguageConfig
from rewards.verdict import Verdict


class RubricConfig(VisionLanguageConfig):
    """CCSR's ten questions about a picture of one class of object."""

    kind: str = "rubric"
    rule: Rule = "equation1"
    """how answers become points: the paper's Eq. 1, or as its Table 1 and released script count"""
    class_name: str | None = None
    """what the picture should show, where the prompt's metadata has no `class`"""
    min_mass: float = Field(default=0.5, ge=0, le=1)
    """an answer counts if yes and no have at least this probability together; below, the judge abstains"""

    def cannot_judge(self, prompt: str, metadata: Mapping[str, Any]) -> str:
        classes = names_of(metadata, "class")
        if classes is None and self.class_name is not None:
            classes = [self.class_name]
        if not classes:
            return "it has no `class` in its metadata, nor has the judge a class_name"
        return "" if len(classes) == 1 else f"it has {len(classes):,} classes, and the questions are about one"


class RubricJudge(Judge):
    """Value: the points of ten questions (CCSR, arXiv 2405.13473, section 3), -2..10 by `equation1`, -1..9 by `table1`.

    The class of object is `class` in the prompt's metadata, or the setting; without either, and of several classes, the
    judge abstains, as it does where a question is too long for the model. An answer is yes or no by whichever is
    likelier as the first token. If the two together have less than `min_mass`, the model is answering something else,
    and the judge abstains, unless the question is one that does not count. All ten are asked at once: so the picture is
    encoded once, and the answers to gated questions may go unused.

    `scores` has the points by question, the text the answers as JSON.
    """

    Config = RubricConfig

    def __init__(self, name: str, config: RubricConfig, device: str = "cpu") -> None:
        self.name, self._config = name, config
        self._model = load_vision_language(name, config, device)
        self._questions = [f"{question} Answer yes or no." for question in QUESTIONS.values()]
        templates = [self._model.prompt(question) for question in self._questions]
        self.version = fingerprint(
            config.model,
            kind="rubric",
            commit=self._model.commit,
            settings=[
                templates,
                config.rule,
                RULES[config.rule],
                config.class_name,
                config.min_mass,
                config.dtype,
                config.backend,
            ],
        )

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        known = metadata_of(len(images), metadata)
        asked = [self._asked(prompt, entry) for prompt, entry in zip(prompts, known, strict=True)]
        texts = [self._model.prompt(text) for texts in asked if not isinstance(texts, str) for text in texts]
        which = [i for i, texts in enumerate(asked) if not isinstance(texts, str) for _ in texts]
        chances = iter(self._model.yes_no(images, texts, which))
        return [
            Verdict(self.name, "abstain", text=texts, version=self.version)
            if isinstance(texts, str)
            else self._verdict([next(chances) for _ in texts])
            for texts in asked
        ]

    def _asked(self, prompt: str, metadata: Mapping[str, Any]) -> list[str] | str:
        """The questions about a picture of `prompt`, or why there are none."""
        classes = names_of(metadata, "class")
        if classes is None and self._config.class_name is not None:
            classes = [self._config.class_name]
        if not classes:
            return "the prompt has no class"
        if len(classes) > 1:
            return f"the prompt has {len(classes):,} classes; the questions are about one"
        texts = [text.replace("{class}", classes[0]).replace("{prompt}", prompt) for text in self._questions]
        return first_too_long(self._model, texts) or texts

    def _verdict(self, chances: list[tuple[float, float]]) -> Verdict:
        answers = [yes > no for yes, no in chances]
        read = {q: yes + no >= self._config.min_mass for q, (yes, no) in zip(QUESTIONS, chances, strict=True)}
        words = {q: ("yes" if a else "no") if read[q] else None for q, a in zip(QUESTIONS, answers, strict=True)}
        text = json.dumps(words)
        unused = GATED if words[GATE] == "no" else ()
        if not all(legible for question, legible in read.items() if question not in unused):
            return Verdict(self.name, "abstain", text=text, version=self.version)
        scores = {question: float(p) for question, p in points(answers, self._config.rule).items()}
        return Verdict(self.name, "ok", value=sum(scores.values()), scores=scores, text=text, version=self.version)
