# pyright: strict
"""The text that a picture is to show, as its prompt says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rewards.judges.prompt_metadata import names_of

# A single quote opens only where no letter stands before it, and closes only where none follows: no apostrophes.
QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|‘([^’]+)’(?!\w)|(?<!\w)'([^']+)'(?!\w)")
SAID = re.compile(
    r"\b(?:sign|board|banner|poster|label|billboard)s?\s+(?:(?:that|which)\s+)?(?:says?|reads?|saying|reading)\s+"
    r"((?:[A-Z0-9]+\b\s*)+|\w+)"
)


def asked_text(prompt: str, metadata: Mapping[str, Any]) -> str | None:
    """The text that `prompt` asks for, or None where it asks for none.

    In this order: `text` in the metadata (one, or a list of several); what stands in quotes; what a sign (board,
    banner, poster, label) `says` or `reads`: the words in capitals that follow, else one word.
    """
    if (texts := names_of(metadata, "text")) is not None:
        return " ".join(texts).strip() or None
    quoted = [next(part for part in found.groups() if part) for found in QUOTED.finditer(prompt)]
    if quoted:
        return " ".join(quoted)
    said = SAID.search(prompt)
    return said.group(1).strip() if said else None
