# pyright: strict
"""Words of a prompt that a picture does not show, written as RAHF's decoder writes them (arXiv 2312.10240)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

SUFFIX = "_0"


def label_prompt(prompt: str, misaligned: Sequence[bool]) -> str:
    """The decoder's target: the prompt with `_0` after each misaligned word; one flag per word between spaces."""
    words = prompt.split()
    return " ".join(word + SUFFIX if bad else word for word, bad in zip(words, misaligned, strict=True))


def misaligned_words(prompt: str, text: str) -> tuple[str, ...]:
    """The words of the prompt, in order, that the decoder's text marks.

    The text is matched to the prompt word by word, so that a word that the decoder leaves out, adds or spells
    otherwise costs no other word; a word without a match is not marked.
    """
    words = prompt.split()
    written = re.sub(r"\s*_\s*0\b", SUFFIX, text).split()
    match = difflib.SequenceMatcher(
        None, [_plain(word) for word in words], [_plain(word.removesuffix(SUFFIX)) for word in written], autojunk=False
    )
    return tuple(
        words[block.a + i]
        for block in match.get_matching_blocks()
        for i in range(block.size)
        if written[block.b + i].endswith(SUFFIX)
    )


def _plain(word: str) -> str:
    return re.sub(r"\W", "", word).casefold()
