# pyright: strict
"""The prompt of an artifact classifier, and the grammar of its answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rewards.judges.synartifact.taxonomy import ARTIFACTS, NO_ARTIFACTS
from rewards.models.vlm.prompt_words import llava_prompt

Style = Literal["full", "short"]

SHORT = "Which artifacts does this picture have?"
_BY_KEY = {artifact.name.casefold(): artifact.name for artifact in ARTIFACTS}


def artifact_question(style: Style = "full") -> str:
    """One question, many labels (SynArtifact, section 3).

    `full` has the paper's four parts: task description, all options with explanations, two example answers (none and
    some), answer commands. Thirteen yes/no questions would be simpler, but classifiers answer all of them with "No".
    `short` is one line, for a model that was trained with it and whose context has no room for more.
    """
    if style == "short":
        return SHORT
    task = "You see a picture that a text-to-image model made. Decide which artifacts, if any, it has."
    options = "\n".join(f"- {artifact.name}: {artifact.explanation}" for artifact in ARTIFACTS)
    some = format_answer([ARTIFACTS[3].name, ARTIFACTS[7].name])
    examples = (
        f"Example answer for a picture without artifacts: {NO_ARTIFACTS}\nExample answer for a picture with two: {some}"
    )
    commands = (
        "Answer with the names of all artifacts that you see, separated by commas, and with nothing else. "
        f'If there are none, answer "{NO_ARTIFACTS}". Never put a name and "{NO_ARTIFACTS}" into one answer.'
    )
    return f"{task}\n\nThe artifacts are:\n{options}\n\n{examples}\n\n{commands}"


def artifact_prompt(style: Style = "full") -> str:
    """The text a LLaVA classifier completes."""
    return llava_prompt(artifact_question(style))


def format_answer(names: Iterable[str]) -> str:
    """The answer for a set of artifact names: "No artifacts", or the names in the taxonomy's order, joined by ", "."""
    chosen = set(names)
    unknown = chosen - set(_BY_KEY.values())
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]!r} is not an artifact of the taxonomy")
    return ", ".join(artifact.name for artifact in ARTIFACTS if artifact.name in chosen) or NO_ARTIFACTS


def parse_answer(text: str) -> frozenset[str] | None:
    """The artifacts that an answer names; the empty set for "No artifacts"; None if it is not an answer.

        answer = ( none | name { "," name } ) [ "." ]

    Case and spaces don't matter. Anything else is None: an unknown name, an empty item, a sentence, or a name together
    with "No artifacts". Searching the text for known words instead would find artifacts in "I see no duplicated parts".
    """
    items = [" ".join(item.split()).casefold() for item in text.strip().removesuffix(".").split(",")]
    if items == [NO_ARTIFACTS.casefold()]:
        return frozenset()
    if not all(item in _BY_KEY for item in items):
        return None
    return frozenset(_BY_KEY[item] for item in items)
