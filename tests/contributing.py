"""The recipes of CONTRIBUTING.md: the blocks of each, and a tree that they are put into."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from documents import page

BLOCK = re.compile(r'^```(\w+) title="([^"]+)"\n(.*?)^```', re.DOTALL | re.MULTILINE)


def recipes() -> dict[str, dict[str, tuple[str, str]]]:
    """Heading of a recipe → file → language (`diff` for a file that is there) and text."""
    _, _, text = page("CONTRIBUTING.md").partition("\n## Three recipes\n")
    sections = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)[1:]
    pairs = zip(sections[::2], sections[1::2], strict=True)
    return {heading: {file: (kind, body) for kind, file, body in BLOCK.findall(below)} for heading, below in pairs}


def follow(recipe: Mapping[str, tuple[str, str]], tree: Path) -> None:
    """Writes the new files of a recipe into `tree`, and changes the others."""
    for name, (kind, body) in recipe.items():
        file = tree / name
        assert file.exists() == (kind == "diff"), name
        file.write_text(changed(file.read_text("utf-8"), body) if kind == "diff" else body, "utf-8")


def changed(text: str, diff: str) -> str:
    """`text` with a diff whose hunks, between lines of @@, are found by their own lines. Raises if one fits nowhere."""
    for hunk in re.split(r"^@@.*\n", diff, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        assert text.count(old) == 1, f"{text.count(old)} places for\n{old}"
        text = text.replace(old, "".join(line[1:] for line in lines if line[0] in " +"))
    return text
