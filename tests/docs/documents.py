"""The documents as tests read them: their text, their code blocks, and what they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = ("rewards", "actors", "learners", "menagerie", "cluster", "configs", "benchmarks", "docs", "tests")


def page(name: str) -> str:
    """The text of a page, by its path from the top of the repository."""
    return (ROOT / name).read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a page in `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> Iterator[str]:
    """The lines of a page's indented blocks that call `salon`, without comments."""
    for line in text.splitlines():
        if found := re.fullmatch(r"    (?:.* -- |PYTHONPATH=\. )?(salon .*?)(?:\s+#.*)?", line):
            yield found[1]


def quoted(text: str) -> list[str]:
    """What stands in backticks in the running text of a page."""
    prose = re.sub(r"^```.*?^```|^    .*?$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)
