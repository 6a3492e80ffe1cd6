# pyright: strict
"""Questions: those of a prompt, in `questions` of its metadata, and how an answer is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AliasChoices, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from rewards.errors import shortened
from rewards.settings.section import Section

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]


class Question(Section):
    """One question about a picture of the prompt (AGFSync, arXiv 2403.13352, section 3; TIFA, arXiv 2303.11897)."""

    question: Text
    """a question that is answered by yes or no ("Is the elephant red?"), or by one of `choices`"""
    type: str = Field(default="other", validation_alias=AliasChoices("type", "element_type"))
    """what it is about: object, human, animal, food, activity, attribute, counting, color, material, spatial, location,
    shape or other; TIFA's records call it element_type"""
    element: str = ""
    """the words of the prompt that it asks about: "red elephant" """
    choices: tuple[Text, ...] = Field(default=(), exclude_if=lambda choices: not choices)
    """what there is to choose from; without any it is a question of yes or no"""
    answer: str = "yes"
    """the answer that a picture of the prompt gives"""

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        if self.choices and len({choice.casefold() for choice in self.choices}) < max(2, len(self.choices)):
            raise ValueError(f"choices: there must be two at least, each once, not {list(self.choices)}")
        if self.answer not in (self.choices or ("yes", "no")):
            wanted = f"one of the choices {list(self.choices)}" if self.choices else "yes or no where are no choices"
            raise ValueError(f"answer: must be {wanted}, not {self.answer!r}")
        return self

    @property
    def asked(self) -> str:
        """The question as it is put to a model."""
        return f"{self.question} Choose from: {', '.join(self.choices)}." if self.choices else self.question

    def right(self, text: str) -> bool | None:
        """Whether a model's `text` is the right answer; None if it is no answer at all."""
        if self.choices:
            found = parse_choice(text, self.choices)
            return None if found is None else found == self.answer
        yes = parse_yes_no(text)
        return None if yes is None else yes == (self.answer == "yes")


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
        key = ".".join(str(part) for part in ("questions", *first["loc"]))
        if first["type"] == "value_error":
            raise ValueError(f"prompt metadata: {key}.{first['msg'].removeprefix('Value error, ')}") from None
        got = shortened(repr(first["input"]))
        raise ValueError(f"prompt metadata: {key}: {first['msg']} (got {got})") from None


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


def parse_choice(text: str, choices: tuple[str, ...]) -> str | None:
    """The one of `choices` that a model's text names, as whole words in any case; None if it names none or several.

    Of choices that lie within each other's words, the longest counts: "dark red" is not "red".
    """
    words = _words(text)
    named = [choice for choice in choices if _words(choice) in words]
    longest = [one for one in named if not any(one != other and _words(one) in _words(other) for other in named)]
    return longest[0] if len(longest) == 1 else None


def _words(text: str) -> str:
    return " ".join(["", *re.findall(r"[^\W_]+", text.casefold()), ""])
