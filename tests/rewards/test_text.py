"""The rule for users' text: encoding, line ends, JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.text import decode_text, lines_of, parse_json

# Where `str.splitlines` cuts and a user's editor does not.
NO_LINE_ENDS = "\u2028\u2029\u0085\x0b\x0c\x1c\x1d\x1e"


def test_a_byte_order_mark_at_the_start_is_no_text_and_elsewhere_it_is():
    assert decode_text("\ufeffa cat".encode(), "x") == "a cat"
    assert decode_text("a \ufeffcat".encode(), "x") == "a \ufeffcat"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"caf\xe9", "prompts.txt: not UTF-8 text (unexpected end of data at byte 3); save it as UTF-8"),
        ("a cat".encode("utf-16"), "prompts.txt: not UTF-8 text (UTF-16); save it as UTF-8"),
        (b"a\xed\xa0\x80", "prompts.txt: not UTF-8 text (invalid continuation byte at byte 1); save it as UTF-8"),
    ],
)
def test_what_is_not_utf_8_is_said_with_its_place(data: bytes, said: str):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
        decode_text(data, "prompts.txt")
    assert str(refused.value) == said


def test_lines_end_at_lf_crlf_and_cr_alone():
    assert lines_of("a\nb\r\nc\rd") == ["a", "b", "c", "d"]
    assert lines_of("a\n\r\n\rb\n") == ["a", "", "", "b"]
    assert lines_of("") == []
    for character in NO_LINE_ENDS:
        assert lines_of(f"a{character}b\n") == [f"a{character}b"]


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n"), min_size=1)), st.sampled_from("\n\r"))
def test_any_lines_that_are_joined_come_back(lines: list[str], end: str):
    assert lines_of(end.join(lines)) == lines
    assert lines_of("\r\n".join([*lines, ""])) == lines


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "9" * 5_001, "{'a': 1}", ""])
def test_json_that_cannot_be_read_is_one_line(text: str):
    with pytest.raises(ValueError, match=r"^p\.txt line 3: not JSON") as refused:
        parse_json(text, "p.txt line 3")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 120


def test_json_that_can_be_read_is_its_value():
    assert parse_json('{"a": [1, null]}', "x") == {"a": [1, None]}
