# pyright: strict
"""Reading a yes or a no out of what a model wrote."""

from __future__ import annotations

import re


def parse_yes_no(text: str) -> bool | None:
    """True for yes, False for no, None for anything else.

        answer = ( "yes" | "no" ) { word except the other one }

    Whole words in any case: "nothing" holds no "no". "Yes, there is no dog" says both and is None.
    """
    words = re.findall(r"\w+", text.casefold())
    said = {"yes", "no"}.intersection(words)
    if len(said) != 1 or words[0] not in said:
        return None
    return said == {"yes"}
