# pyright: strict
"""The bounds of values that a user wrote as YAML or JSON, whatever they stand for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, cast

DEEPEST = 100
"""levels of lists and mappings; people write five"""
MOST = 1_000_000
"""values; a YAML alias counts wherever it stands, as everything that looks at values does"""
DIGITS = 4_000
"""of an integer; Python refuses to print longer ones"""


def unreadable(value: Any, *, finite: bool = True) -> str:
    """Why nobody could work with `value`, which a parser made; empty if all is well.

    It is nested too deeply (or holds itself), holds too many values, an integer of too many digits, text that is no
    Unicode, or, if `finite`, a number that is none.
    """
    level, seen = [value], 0
    for _ in range(DEEPEST):
        if not level:
            return ""
        seen += len(level)
        inner: list[Any] = []
        for part in level:
            if reason := _scalar(part, finite):
                return reason
            inner.extend(_inside(part))
            if seen + len(inner) > MOST:
                return f"holds more than {MOST:,} values"
        level = inner
    return f"is nested more than {DEEPEST} levels deep"


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        return [*entries.keys(), *entries.values()]
    return cast("Iterable[Any]", value) if isinstance(value, list | tuple | set) else ()


def _scalar(value: Any, finite: bool) -> str:
    if isinstance(value, int) and value.bit_length() > DIGITS * math.log2(10):
        return f"holds an integer of more than {DIGITS:,} digits"
    if finite and isinstance(value, float) and not math.isfinite(value):
        return f"holds {value}, which is no finite number"
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "holds half of a surrogate pair, which is no Unicode text"
    return ""
