"""What mkdocs asks for while it builds: the pages that are made from the code, and from files beside docs/."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from python_pages import python_pages

ROOT = Path(__file__).parents[2]
BESIDE = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
"""Page → the file at the top of the repository that it shows."""


def on_config(config: Any) -> Any:
    """Puts the pages of the Python reference into the navigation, where it says PYTHON."""
    pages = [{name: f"reference/python/{name}.md"} for name, _ in python_pages(ROOT)]
    config.nav = [_filled(entry, pages) for entry in config.nav]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are made."""
    # The code that the pages are about, whatever is installed.
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
    from settings_page import settings_page

    made = {"reference/settings.md": settings_page()}
    made |= {f"reference/python/{name}.md": text for name, text in python_pages(ROOT)}
    made |= {page: shown(ROOT / file) for page, file in BESIDE.items()}
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    return files


def shown(file: Path) -> str:
    """The text of a file at the top of the repository, with its links as a page of docs/ has them."""
    text = file.read_text("utf-8").replace("](docs/", "](")
    for page, name in BESIDE.items():
        text = text.replace(f"]({name}", f"]({page}")
    return text


def _filled(entry: Any, pages: list[dict[str, str]]) -> Any:
    if isinstance(entry, dict):
        return {title: _filled(below, pages) for title, below in entry.items()}
    if isinstance(entry, list):
        return [_filled(below, pages) for below in entry]
    return pages if entry == "PYTHON" else entry
