# pyright: strict
"""Questions as prompts: without special tokens in a user's words, and no longer than the model can read."""

from __future__ import annotations

import re
from typing import Any

IMAGE = "<image>"
"""the token of the picture in a prompt"""
SHOWN = 80
"""characters of a question that a message quotes"""


def llava_prompt(question: str) -> str:
    """The text a LLaVA completes: the question in LLaVA-1.5's conversation format, with its image."""
    return f"USER: {IMAGE}\n{question} ASSISTANT:"


class PromptWords:
    """Makes questions that hold a user's words safe for the model of a tokenizer.

    A special token's text in a question would be read as the token. Worst is a second `<image>`: it asks for features
    that aren't there, and on a GPU such a failure ends all work of the process.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        special = {IMAGE, *tokenizer.all_special_tokens, *added}
        # Looking ahead finds those that begin inside another one, too.
        self._begins = re.compile(f"(?={'|'.join(map(re.escape, special))})(.)", re.DOTALL)

    def plain(self, text: str) -> str:
        """`text` in which no special token is left: a space behind the first letter of each makes it words."""
        return self._begins.sub(r"\1 ", text)

    def too_long(self, question: str, prompt: str, room: int) -> str:
        """Why a model that reads `room` tokens can't be asked `question`, put as `prompt`; empty if it can."""
        tokens = len(self._tokenizer(prompt, verbose=False)["input_ids"])
        if tokens <= room:
            return ""
        shown = question if len(question) <= SHOWN else f"{question[:SHOWN]}…"
        return f"the question {shown!r} takes {tokens} tokens; the model has room for {room}"
