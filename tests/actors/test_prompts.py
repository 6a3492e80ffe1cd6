"""Prompt files: what they hold, in which order, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from actors.prompts import PromptList


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "prompts.txt"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_comments_and_empty_lines_are_skipped_and_metadata_is_read(tmp_path: Path) -> None:
    prompts = PromptList(write(tmp_path, '# animals\n\n  a red cat  \na dog\t{"animal": "dog", "n": 2}\n  # no\n'))
    assert len(prompts) == 2
    assert prompts[0] == ("a red cat", {})
    assert prompts[1] == ("a dog", {"animal": "dog", "n": 2})


def test_every_epoch_holds_each_prompt_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    prompts = PromptList(write(tmp_path, "\n".join(f"prompt {i}" for i in range(30))))
    epochs = [[prompts.at(30 * e + i, seed=5)[0] for i in range(30)] for e in range(3)]
    assert all(Counter(epoch) == Counter(epochs[0]) and len(set(epoch)) == 30 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != [prompts.at(i, seed=6)[0] for i in range(30)]


def test_a_place_has_the_same_prompt_whatever_was_asked_before(tmp_path: Path) -> None:
    file = write(tmp_path, "\n".join(f"prompt {i}" for i in range(7)))
    forwards = [PromptList(file).at(index, seed=1) for index in range(50)]
    prompts = PromptList(file)
    assert [prompts.at(index, seed=1) for index in reversed(range(50))] == forwards[::-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"prompts\.txt holds no prompt"),
        ("# only a comment\n\n", r"prompts\.txt holds no prompt"),
        ("a cat\na dog\t{animal: dog}\n", r"prompts\.txt line 2: .* not JSON"),
        ("a dog\t[1]\n", r"prompts\.txt line 1: .* not a JSON object"),
        ('\t{"animal": "dog"}\n', r"prompts\.txt line 1 has metadata but no prompt"),
        (b"caf\xe9\n", r"prompts\.txt: not UTF-8"),
        ('a dog\t{"n": ' + "9" * 5_001 + "}", r"prompts\.txt line 1: what follows the tab: not JSON"),
        ("a dog\t" + "[" * 100_000, r"prompts\.txt line 1: what follows the tab: not JSON .*nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PromptList(write(tmp_path, text))


def test_a_byte_order_mark_is_no_prompt_and_only_lf_crlf_and_cr_end_one(tmp_path: Path) -> None:
    text = "\ufeff# a comment\na red cat\u2028on a mat\na dog\r\na\x0cbird\ra\u0085fox\x0b!\n"
    prompts = PromptList(write(tmp_path, text))
    texts = [prompts[i][0] for i in range(len(prompts))]
    assert texts == ["a red cat\u2028on a mat", "a dog", "a\x0cbird", "a\u0085fox\x0b!"]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no file .*absent\.txt"):
        PromptList(tmp_path / "absent.txt")


SAME = [("a red cat", {"animals": ["cat"], "n": 2}), ('a sign, "ZOO"', {"text": "ZOO"})]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", 'a red cat\t{"animals": ["cat"], "n": 2}\na sign, "ZOO"\t{"text": "ZOO"}\n'),
        (
            "p.jsonl",
            '{"prompt": "a red cat", "animals": ["cat"], "n": 2}\n\n{"text": "ZOO", "prompt": "a sign, \\"ZOO\\""}',
        ),
        ("p.csv", 'n,prompt,text,animals\r\n2,a red cat,,"[""cat""]"\r\n,"a sign, ""ZOO""",ZOO,\r\n'),
    ],
)
def test_the_three_forms_hold_the_same(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    prompts = PromptList(file)
    assert [prompts[i] for i in range(len(prompts))] == SAME


def test_a_prompt_knows_its_line(tmp_path: Path) -> None:
    prompts = PromptList(write(tmp_path, "# comment\n\na cat\n"))
    assert prompts.place(0) == f"{tmp_path / 'prompts.txt'} line 3"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.jsonl", '{"prompt": 3}', r"p\.jsonl line 1: has no text `prompt`"),
        ("p.jsonl", '{"prompt": "a"}\n{"text": "b"}', r"p\.jsonl line 2: has no text `prompt`"),
        ("p.jsonl", "a cat", r"p\.jsonl line 1: the line: not JSON"),
        ("p.jsonl", "[1]", r"p\.jsonl line 1: the line is not a JSON object"),
        ("p.jsonl", '{"prompt": "  "}', r"p\.jsonl line 1 has metadata but no prompt"),
        ("p.jsonl", '{"prompt": "a", "x": 1e999}', r"p\.jsonl line 1: holds inf"),
        ("p.jsonl", '{"prompt": "a", "x": NaN}', r"p\.jsonl line 1: holds nan"),
        ("p.jsonl", '{"prompt": "\\ud800"}', r"p\.jsonl line 1: holds half of a surrogate pair"),
        ("p.csv", "a cat\na dog\n", r"p\.csv line 1: must name the columns"),
        ("p.csv", "prompt,n,n\na,1,2\n", r"p\.csv line 1: must name the columns, each once"),
        ("p.csv", "prompt,n\na\n", r"p\.csv line 2: does not have the 2 cells"),
        ("p.csv", "prompt,n\na,1,2\n", r"p\.csv line 2: does not have the 2 cells"),
        ("p.csv", 'prompt,n\na,"[1"\n', r"p\.csv line 2: n: not JSON"),
        ("p.csv", 'prompt\n"a\n', r"p\.csv after line \d: .*quotation mark"),
        ("p.csv", "prompt\n", r"p\.csv holds no prompt"),
        ("p.txt", "a" * 100_001, r"p\.txt line 1: a prompt of 100,001 characters"),
    ],
)
def test_each_form_is_refused_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        PromptList(tmp_path / name)
