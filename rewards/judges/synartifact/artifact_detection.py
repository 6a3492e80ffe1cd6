"""The artifact detector of SynArtifact: a LLaVA names artifacts, gives their boxes and describes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from rewards.arrays import ImageArray
from rewards.boxes import Box, covered, from_square
from rewards.fingerprint import fingerprint
from rewards.judge import Judge, SubScore, SubScores
from rewards.judges.asking.questions import parse_yes_no
from rewards.judges.synartifact.artifact_boxes import parse_boxes
from rewards.judges.synartifact.template import Style, artifact_question, parse_answer
from rewards.models.vlm.base import Answer
from rewards.models.vlm.load import load_vision_language
from rewards.settings.judge import VisionLanguageConfig
from rewards.verdict import Verdict

JUDGEMENT = "Does this picture have artifacts? Answer yes or no."
LOCATION = 'Where is the artifact "{name}"? Answer with its boxes [x1,y1,x2,y2], from 0 to 1.'
CAPTION = 'Describe the artifact "{name}".'
"""Two of the four sub-tasks, each about one category; the second is the classifier's question (`template.py`)."""


class ArtifactDetectionConfig(VisionLanguageConfig):
    """SynArtifact's detector: whether there are artifacts, which, where, and how they look."""

    kind: str = "artifact_detection"
    template: Style = "full"
    """the question about categories: the paper's four parts, or one line, for a model with a short context"""
    max_new_tokens: int = Field(default=64, ge=1)
    """an answer that is longer is cut, and the judge abstains"""


class ArtifactDetectionJudge(Judge):
    """Value: 1 minus the share of the picture inside a box of any artifact, so 1 for a picture without artifacts.

    The four sub-tasks of SynArtifact's detection (arXiv 2402.18068): judgement, categories, location and caption. The
    model sees the picture padded to a square, and gives boxes in it; the verdict's boxes are fractions of the picture
    itself. `scores` has `artifact_free` and `covered`; the text is all answers as JSON. An answer outside its grammar,
    a judgement that the categories contradict, and a box outside the picture are abstentions.
    """

    Config = ArtifactDetectionConfig
    sub_scores: ClassVar[SubScores] = {"artifact_free": SubScore("free of artifacts", share=True, flawless=True)}

    def __init__(self, name: str, config: ArtifactDetectionConfig, device: str = "cpu") -> None:
        self.name, self._max_new_tokens = name, config.max_new_tokens
        self._model = load_vision_language(name, config, device)
        self._first = [self._model.prompt(question) for question in (JUDGEMENT, artifact_question(config.template))]
        self.version = fingerprint(
            config.model,
            kind="artifact_detection",
            commit=self._model.commit,
            settings=[self._first, LOCATION, CAPTION, config.max_new_tokens, config.dtype, config.backend],
        )

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        if not len(images):
            return []
        squares = pad_to_square(images)
        n, height, width = images.shape[:3]
        which = [i for i in range(n) for _ in self._first]
        first = self._model.answer(squares, self._first * n, self._max_new_tokens, which)
        opinions = [_opinion(*first[2 * i : 2 * i + 2]) for i in range(n)]
        # Only the pictures with artifacts are asked about, and encoded, again.
        found = [(i, name) for i, names in enumerate(opinions) for name in sorted(names or ())]
        questions = [self._model.prompt(t.replace("{name}", name)) for _, name in found for t in (LOCATION, CAPTION)]
        which = [i for i, _ in found for _ in (LOCATION, CAPTION)]
        second = self._model.answer(squares, questions, self._max_new_tokens, which)
        details: list[dict[str, tuple[Answer, Answer]]] = [{} for _ in range(n)]
        for k, (i, name) in enumerate(found):
            details[i][name] = (second[2 * k], second[2 * k + 1])
        return [self._verdict(opinions[i], first[2 * i : 2 * i + 2], details[i], (width, height)) for i in range(n)]

    def _verdict(
        self,
        names: frozenset[str] | None,
        first: Sequence[Answer],
        details: Mapping[str, tuple[Answer, Answer]],
        size: tuple[int, int],
    ) -> Verdict:
        judgement, categories = (answer.text for answer in first)
        written = {name: {"location": a.text, "caption": b.text} for name, (a, b) in details.items()}
        text = json.dumps({"judgement": judgement, "categories": categories, "artifacts": written}, ensure_ascii=False)
        located = {name: _located(answer, size) for name, (answer, _) in details.items()}
        boxes = [(name, box) for name, found in located.items() for box in found or ()]
        if names is None or None in located.values():
            cut = any(answer.truncated for answer in (*first, *(a for a, _ in details.values())))
            return Verdict(self.name, "abstain", text=text, version=self.version, truncated=cut)
        share = covered([box for _, box in boxes])
        return Verdict(
            self.name,
            "ok",
            value=1 - share,
            scores={"artifact_free": float(not names), "covered": share},
            text=text,
            boxes=tuple(boxes),
            version=self.version,
        )


def pad_to_square(images: ImageArray) -> ImageArray:
    """Pictures `[n, h, w, 3]` in the middle of grey squares."""
    height, width = images.shape[1:3]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    margins = ((0, 0), (top, side - height - top), (left, side - width - left), (0, 0))
    return np.pad(images, margins, constant_values=127)


def _opinion(judgement: Answer, categories: Answer) -> frozenset[str] | None:
    """The artifacts that both answers agree on; None if either can't be read or they contradict each other."""
    damaged = parse_yes_no(judgement.text)
    names = None if categories.truncated else parse_answer(categories.text)
    return names if damaged is not None and names is not None and damaged == bool(names) else None


def _located(answer: Answer, size: tuple[int, int]) -> list[Box] | None:
    """Boxes in the picture `(width, height)`; None if any of them can't be read or lies outside."""
    boxes = None if answer.truncated else parse_boxes(answer.text)
    if boxes is None:
        return None
    inside = [from_square(box, *size, centred=True) for box in boxes]
    return inside if all(x1 < x2 and y1 < y2 for x1, y1, x2, y2 in inside) else None
