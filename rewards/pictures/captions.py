# pyright: strict
"""Text in pictures: a font that knows the alphabets, and words for what it has no glyph of."""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import groupby
from pathlib import Path

from PIL import ImageFont

_SPACES = ("Cc", "Zl", "Zp")
_SHAPELESS = ("Cf", "Cs")


@cache
def caption_font(size: float) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings: Latin, Greek, Cyrillic, Arabic, Hebrew and many signs."""
    return ImageFont.truetype(_font_file(), size)


def drawable(text: str) -> str:
    """`text` as `caption_font` can draw it: in one line, and for each character without a glyph its name or number.

    An emoji becomes its name, "[couch and lamp]"; another character its number, "[U+732B]", several in one pair of
    brackets. What has no shape of its own, such as a variation selector, is left out.
    """
    glyphs = _glyphs()
    parts: list[str] = []
    for known, run in groupby(_plain(text), key=lambda character: ord(character) in glyphs):
        characters = list(run)
        parts += characters if known else [f"[{' '.join(map(_called, characters))}]"]
    return "".join(parts)


def _plain(text: str) -> str:
    """Ends of lines as spaces; without what has no shape."""
    kinds = ((character, unicodedata.category(character)) for character in text)
    return "".join(
        " " if kind in _SPACES else character
        for character, kind in kinds
        if kind not in _SHAPELESS and unicodedata.name(character, "")[:18] != "VARIATION SELECTOR"
    )


def _called(character: str) -> str:
    symbol = unicodedata.category(character).startswith("S")
    name = unicodedata.name(character, "") if symbol else ""
    return name.lower() or f"U+{ord(character):04X}"


@cache
def _font_file() -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(_font_file()).get_charmap())
