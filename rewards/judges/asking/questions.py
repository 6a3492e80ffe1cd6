# pyright: strict
"""Yes/no questions: those of a prompt, in `questions` of its metadata, and how an answer is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from rewards.settings.section import Section


class Question(Section):
    """One question about a picture of the prompt (AGFSync, arXiv 2403.13352, section 3; TIFA, arXiv 2303.11897)."""

    question: str = Field(min_length=1)
    """a question that is answered by yes or no: "Is the elephant red?" """
    type: str = "other"
    """what it is about: object, human, animal, food, activity, attribute, counting, color, material, spatial, location,
    shape or other"""
    element: str = ""
    """the words of the prompt that it asks about: "red elephant" """
    answer: Literal["yes", "no"] = "yes"
    """the answer that a picture of the prompt gives"""


MAX_QUESTIONS = 100
"""How many a judge asks about one picture; prompts have about ten, and each costs as much as a picture."""

_LIST: TypeAdapter[list[Question]] = TypeAdapter(list[Question])


def questions_of(metadata: Mapping[str, Any]) -> list[Question]:
    """The questions of a prompt; none without `questions` in its metadata. Raises ValueError saying which is wrong."""
    questions = metadata.get("questions")
    try:
        return [] if questions is None else _LIST.validate_python(questions)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"prompt metadata: questions.{key}: {first['msg']} (got {first['input']!r})") from error


def parse_yes_no(text: str) -> bool | None:
    """The answer in a model's text: True for yes, False for no, None for anything else.

        answer = ( "yes" | "no" ) { word except the other one }

    Whole words in any case: "nothing" holds no "no". "Yes, there is no dog" says both and is None.
    """
    words = re.findall(r"\w+", text.casefold())
    found = {"yes", "no"}.intersection(words)
    if len(found) != 1 or words[0] not in found:
        return None
    return found == {"yes"}
