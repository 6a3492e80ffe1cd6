"""Captions: every character is drawn, or replaced by something that can be read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from rewards.pictures.captions import caption_font, drawable


def ink(text: str) -> np.ndarray:
    """The pixels that `text` becomes, as it is given."""
    picture = Image.new("L", (400, 40))
    ImageDraw.Draw(picture).text((2, 2), text, fill=255, font=caption_font(20))
    return np.asarray(picture)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("un café très chaud", "un café très chaud"),
        ("Ελλάδα, Москва, Łódź, ß", "Ελλάδα, Москва, Łódź, ß"),
        ("قطة حمراء", "قطة حمراء"),
        ("a 🐱 on a 🛋️!", "a 🐱 on a [couch and lamp]!"),
        ("👩‍🔬", "[woman microscope]"),
        ("猫と犬", "[U+732B U+3068 U+72AC]"),
        ("two\nlines\u2028or\tthree", "two lines or three"),
        ("\ud800 half", " half"),
        ("", ""),
    ],
)
def test_what_the_font_has_stays_and_the_rest_is_named(text: str, shown: str):
    assert drawable(text) == shown


def test_what_is_drawn_is_no_box_for_a_missing_glyph():
    missing = ink("\U000f0000")
    assert missing.any(), "the box that the font has for what it lacks"
    for text in ("è", "ق", "Ж", "…"):
        assert ink(drawable(text)).any()
        assert not np.array_equal(ink(drawable(text)), missing)
    assert not np.array_equal(ink("قطة"), ink("قطة"[::-1])), "joined, and from the right"


@given(st.text())
def test_any_text_can_be_drawn_and_what_is_drawable_stays(text: str):
    shown = drawable(text)
    assert drawable(shown) == shown
    assert len(caption_font(12).getbbox(shown)) == 4
