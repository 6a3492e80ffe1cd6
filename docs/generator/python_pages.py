# pyright: strict
"""The Python reference: a page for each folder of code, filled by mkdocstrings from the docstrings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("rewards", "actors", "learners", "menagerie", "cluster")
FRONT_DOOR = "salon"


def python_pages(root: Path) -> Iterator[tuple[str, str]]:
    """Dotted name of a folder below `root`, and the page about its modules; `salon.py` first."""
    yield FRONT_DOOR, f"# {FRONT_DOOR}\n\n{_module(FRONT_DOOR, 2)}"
    for folder in FOLDERS:
        for package in sorted((root / folder).rglob("__init__.py")):
            name = ".".join(package.parent.relative_to(root).parts)
            modules = sorted(path.stem for path in package.parent.glob("*.py") if path.stem != "__init__")
            if modules:
                yield name, "\n".join([f"# {name}", "", *(_module(f"{name}.{module}", 2) for module in modules)])


def _module(name: str, level: int) -> str:
    return f"::: {name}\n    options:\n      heading_level: {level}\n"
