"""The ground truth of a picture and its prompt: prompts, questions with answers, boxes, artifacts, scores."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from menagerie.labels.mismatch import Prompt, right_prompt, wrong_prompt
from menagerie.labels.quality import Quality
from menagerie.labels.questions import answered_questions
from menagerie.world.caption import FORMS, Form, write_caption
from menagerie.world.picture import Picture
from rewards.boxes import Box
from rewards.judges.asking.questions import Question


@dataclass(frozen=True)
class Truth:
    """A picture, its prompt, and a caption that is wrong about it.

    The prompt may be wrong, too; then the picture is misaligned. Boxes are in fractions of the picture.
    """

    picture: Picture
    prompt: Prompt
    wrong: Prompt

    @classmethod
    def of(cls, picture: Picture, rng: random.Random, *, misaligned: float = 0.0, form: Form | None = None) -> Truth:
        """The ground truth of a picture; with probability `misaligned` its prompt is wrong in one respect."""
        form = form or rng.choice(FORMS)
        wrong = wrong_prompt(picture, rng, form)
        prompt = wrong_prompt(picture, rng, form) if rng.random() < misaligned else right_prompt(picture, form)
        return cls(picture, prompt, wrong)

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """The questions that the prompt raises, answered by the picture."""
        return answered_questions(self.prompt.caption, self.picture)

    @cached_property
    def wrong_questions(self) -> tuple[Question, ...]:
        """The questions that the wrong caption raises, answered by the picture; at least one answer is no."""
        return answered_questions(self.wrong.caption, self.picture)

    @cached_property
    def quality(self) -> Quality:
        return Quality.of(self.picture.pixels, self.picture.artifacts, self.questions)

    @property
    def boxes(self) -> tuple[tuple[str, Box], ...]:
        """Name and box of every animal, part and thing that is not wholly outside the frame."""
        return tuple((name, box) for name, box in self.picture.boxes if box[2] > box[0] and box[3] > box[1])

    def record(self) -> dict[str, Any]:
        """Everything but the pixels, as a line of `truth.jsonl`."""
        return {
            "caption": self.picture.caption,
            "prompt": _prompt(self.prompt),
            "captions": {form: write_caption(self.picture.scene, form).text for form in FORMS},
            "questions": [q.model_dump() for q in self.questions],
            "wrong": _prompt(self.wrong),
            "wrong_questions": [q.model_dump() for q in self.wrong_questions],
            "boxes": [{"name": name, "box": box} for name, box in self.boxes],
            "artifacts": [asdict(a) for a in self.picture.artifacts],
            "scores": {name: round(value, 4) for name, value in asdict(self.quality).items()},
        }


def _prompt(prompt: Prompt) -> dict[str, Any]:
    words = [word for word, bad in zip(prompt.caption.words, prompt.misaligned, strict=True) if bad]
    return {"text": prompt.text, "misaligned": prompt.misaligned, "words": words, "regions": prompt.regions}
