# pyright: strict
"""Vision-language models: the interface that LLaVA, BLIP and BLIP-2 share, whatever runs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rewards.arrays import ImageArray


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote, without special tokens; `truncated` if it had not finished within its tokens."""

    text: str
    truncated: bool


class VisionLanguage(Protocol):
    """Greedy answers and yes/no probabilities, in batches; each picture is encoded once for its questions."""

    commit: str | None
    """commit of a hub model, for the judge's version"""

    def prompt(self, question: str) -> str:
        """The text that makes this model answer `question`; what looks like a special token in it is plain words."""
        ...

    def too_long(self, question: str, max_new_tokens: int = 1) -> str:
        """Why there is no room for `question`, its picture and an answer; empty if there is."""
        ...

    def answer(
        self, images: ImageArray, prompts: Sequence[str], max_new_tokens: int, which: Sequence[int] | None = None
    ) -> list[Answer]:
        """Greedy answers to `prompts`; prompt i is about `images[which[i]]` (default: `images[i]`).

        `images` is `[n, H, W, 3]` uint8.
        """
        ...

    def yes_no(
        self, images: ImageArray, prompts: Sequence[str], which: Sequence[int] | None = None
    ) -> list[tuple[float, float]]:
        """The probabilities that the answer begins with yes, and with no, over the whole vocabulary.

        Raises ValueError if the tokenizer has no token for either word.
        """
        ...


def first_too_long(model: VisionLanguage, questions: Iterable[str], max_new_tokens: int = 1) -> str:
    """Why there is no room for one of `questions`; empty if there is for each."""
    return next(filter(None, (model.too_long(question, max_new_tokens) for question in questions)), "")


def word_tokens(tokenizer: Any, word: str) -> list[int]:
    """The tokens that are this whole word, in any case, with or without a space before it."""
    forms = [form for case in (word, word.title(), word.upper()) for form in (case, f" {case}")]
    ids: list[list[int]] = [tokenizer(form, add_special_tokens=False)["input_ids"] for form in forms]
    single = {i[0] for i in ids if len(i) == 1} - {tokenizer.unk_token_id}
    if not single:
        raise ValueError(f"the model's tokenizer has no token for {word!r}, so its probability can't be read")
    return sorted(single)
