"""Names in the metadata of a prompt, however they are written."""

from __future__ import annotations

from typing import Any

import pytest

from rewards.prompt_metadata import names_of


@pytest.mark.parametrize(
    ("metadata", "names"),
    [
        ({}, None),
        ({"class": None}, None),
        ({"class": "cat"}, ["cat"]),
        ({"class": ["cat", "dog"]}, ["cat", "dog"]),
        ({"class": ("cat",)}, ["cat"]),
        ({"class": ["cat", None]}, ["cat"]),
        ({"class": []}, []),
        ({"class": 7}, ["7"]),
    ],
)
def test_one_name_is_a_list_of_one_and_null_is_none(metadata: dict[str, Any], names: list[str] | None):
    assert names_of(metadata, "class") == names
