# pyright: strict
"""Text: one rule for every file, field and table of users, and numbers in words.

Text is UTF-8, with or without a byte order mark. A line ends at LF, CRLF or CR and nowhere else: U+2028, U+0085, form
feeds and vertical tabs, at which `str.splitlines` would cut, are characters like others.
"""

from __future__ import annotations

import json
import re
from typing import Any

_LINE_END = re.compile(r"\r\n|\r|\n")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def decode_text(data: bytes, where: str) -> str:
    """The text in `data`, without its byte order mark. Raises ValueError, prefixed by `where`, if it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = "UTF-16" if data.startswith(_UTF_16) else f"{error.reason} at byte {error.start}"
        raise ValueError(f"{where}: not UTF-8 text ({found}); save it as UTF-8") from None


def check_text(text: str, where: str) -> str:
    """`text` of a command line. Raises ValueError, prefixed by `where`, where its bytes were not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{where}: not UTF-8 text") from None
    return text


def lines_of(text: str) -> list[str]:
    """The lines of `text` without their ends. What follows the last end is a line unless it is empty."""
    lines = _LINE_END.split(text)
    return lines if lines[-1] else lines[:-1]


def parse_json(text: str, where: str) -> Any:
    """The value of a user's JSON. Raises ValueError, prefixed by `where`, also for what Python's parser gives up on."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(f"{where}: not JSON that can be read (nested too deeply)") from None
    except ValueError as error:  # no JSON, or an integer of thousands of digits
        reason = str(error).partition(";")[0]
        raise ValueError(f"{where}: not JSON ({reason})") from None


def many(count: int, one: str, more: str = "") -> str:
    """A number of things in words: "1 step", "2,000 steps"; `more` is the plural where that is not `one` and an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
