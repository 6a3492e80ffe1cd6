"""The pages that are made: docstrings as tables, the Python reference, and files beside docs/."""

from __future__ import annotations

from aligned_docstrings import with_tables
from documents import ROOT
from hooks import BESIDE, shown
from python_pages import FOLDERS, python_pages


def test_names_aligned_with_what_they_mean_become_a_table():
    docstring = """A worker's engine.

rank, world  this worker's rank,
             and the number of workers
grad_norm    `[n]` or |g| before clipping

Calling it calls the network."""
    assert with_tables(docstring) == (
        "A worker's engine.\n\n"
        "| | |\n|---|---|\n"
        "| `rank, world` | this worker's rank, and the number of workers |\n"
        "| `grad_norm` | `[n]` or &#124;g&#124; before clipping |\n\n"
        "Calling it calls the network."
    )


def test_other_paragraphs_stay_as_they_are():
    for text in (
        "One line.",
        "A sentence  with two spaces.",
        "Two lines of\nplain words.",
        "As code:\n\n    a  b\n    c  d",
    ):
        assert with_tables(text) == text


def test_every_module_has_a_place_in_the_python_reference():
    pages = dict(python_pages(ROOT))
    text = "\n".join(pages.values())
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py") if file.stem != "__init__"]
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    assert [module for module in modules if f"::: {module}\n" not in text] == []
    assert next(iter(pages)) == "salon"


def test_files_at_the_top_are_shown_with_links_as_pages_have_them():
    for file in BESIDE.values():
        assert "](docs/" not in shown(ROOT / file)
