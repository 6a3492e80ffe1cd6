"""Which text a prompt asks for."""

from __future__ import annotations

from typing import Any

import pytest

from menagerie.world.scene import Creature, Scene
from rewards.judges.ocr import asked_text


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ('a shop window with "OPEN LATE" on it', "OPEN LATE"),
        ("a mug with the words “good morning”", "good morning"),
        ("a cake that says 'Happy Birthday'!", "Happy Birthday"),
        ('"one" on the left, "two" on the right', "one two"),
        ("a cat next to a sign that says ZOO in the meadow", "ZOO"),
        ("a road sign reading NO ENTRY at night", "NO ENTRY"),
        ("a board that says welcome in the snow", "welcome"),
        ("the dog's bone and the cat's ball", None),
        ("the dogs' bone beside the cats' ball", None),
        ("a cat that reads books", None),
        ("", None),
    ],
)
def test_the_asked_text_is_found_in_the_prompt(prompt: str, text: str | None):
    assert asked_text(prompt, {}) == text


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"text": "EXIT"}, "EXIT"),
        ({"text": ["NO", "EXIT"]}, "NO EXIT"),
        ({"text": ""}, None),
        ({"text": None}, "HELLO"),
    ],
)
def test_metadata_goes_before_the_prompt(metadata: dict[str, Any], text: str | None):
    assert asked_text('a sign that says "HELLO"', metadata) == text


@pytest.mark.parametrize("form", [0, 1, 2])
def test_every_caption_of_the_drawn_world_tells_its_sign(form: int):
    scene = Scene("snow", 0.5, (Creature("cat", "red", 0.4, 0.9, 0.5, False),), "ZOO")
    assert asked_text(scene.caption(form), {}) == "ZOO"
