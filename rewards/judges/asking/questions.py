# pyright: strict
"""The yes/no questions that belong to a prompt: `questions` in its metadata."""

from __future__ import annotations

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
"""that a judge asks about one picture; prompts have about ten, and each costs as much as a picture"""

_LIST: TypeAdapter[list[Question]] = TypeAdapter(list[Question])


def questions_of(metadata: Mapping[str, Any]) -> list[Question]:
    """The questions of a prompt; none without `questions` in its metadata. Raises ValueError saying which is wrong."""
    given = metadata.get("questions")
    try:
        return [] if given is None else _LIST.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"prompt metadata: questions.{place}: {first['msg']} (got {first['input']!r})") from error
