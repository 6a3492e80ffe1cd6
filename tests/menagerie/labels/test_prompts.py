"""Prompt lists of the wider world."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from actors.prompts import PromptList
from menagerie.labels.prompts import CATEGORIES, write_prompts
from menagerie.world.scene import ANIMALS
from menagerie.world.things import THINGS
from rewards.judges.asking.questions import questions_of

SHIPPED = Path(__file__).parents[3] / "configs" / "prompts" / "world.txt"


def test_a_list_has_every_category_and_no_prompt_twice(tmp_path: Path):
    assert write_prompts(tmp_path / "world.txt", 12, seed=4) == 12 * len(CATEGORIES)
    prompts = PromptList(tmp_path / "world.txt")
    rows = [prompts[i] for i in range(len(prompts))]
    assert Counter(metadata["category"] for _, metadata in rows) == dict.fromkeys(CATEGORIES, 12)
    assert len({text for text, _ in rows}) == len(rows)
    lengths = [len(text.split()) for text, _ in rows]
    assert min(lengths) <= 8
    assert max(lengths) >= 20
    for text, metadata in rows:
        assert set(metadata["animals"]) <= set(ANIMALS)
        assert all(animal in text for animal in metadata["animals"])
        assert all(colour in text for colour in metadata["colours"])
        held = [thing for thing in THINGS.values() if f" {thing.words} " in text and "holding" in text]
        assert [thing.category for thing in held] in ([metadata["category"]], [])


def test_the_shipped_list_is_what_the_command_writes(tmp_path: Path):
    """configs/prompts/world.txt was made by `salon menagerie prompts --out configs/prompts/world.txt`."""
    write_prompts(tmp_path / "world.txt", 10)
    assert (tmp_path / "world.txt").read_text() == SHIPPED.read_text()


def test_a_file_is_never_overwritten(tmp_path: Path):
    (tmp_path / "world.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="there already"):
        write_prompts(tmp_path / "world.txt", 1)


def test_a_prompt_brings_the_questions_that_it_raises(tmp_path: Path):
    write_prompts(tmp_path / "world.txt", 3)
    prompts = PromptList(tmp_path / "world.txt")
    for text, metadata in (prompts[i] for i in range(len(prompts))):
        asked = questions_of(metadata)
        assert len({q.question for q in asked}) == len(asked) >= 3
        assert {q.answer for q in asked} == {"yes"}
        assert any(
            f"the {animal}" in q.question or f"a {animal}" in q.question or animal in q.element
            for q in asked
            for animal in metadata["animals"]
        ), text
