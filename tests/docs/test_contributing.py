"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the tree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from documents import ROOT, page

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


RECIPES = recipes()
CODE = ("rewards", "actors", "learners", "menagerie", "cluster", "tests", "configs")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code and its tests; the weights of models are left out."""
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    for folder in CODE:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for file in ("pyproject.toml", "salon.py"):
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def run(tree: Path, *command: str) -> None:
    result = subprocess.run([sys.executable, "-m", *command], cwd=tree, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def departures(tree: Path) -> str:
    """How the tree departs from the plan of the rooms."""
    return subprocess.run([sys.executable, "tests/layers.py"], cwd=tree, capture_output=True, text=True).stdout


def test_a_judge_touches_two_files_and_an_algorithm_and_a_pipeline_three():
    assert {heading: len(files) for heading, files in RECIPES.items()} == {
        "A judge": 2,
        "An algorithm": 3,
        "A pipeline": 3,
    }


def test_a_diff_is_put_where_its_lines_are_and_nowhere_else():
    assert changed("a\nb\nc\n", " a\n+new\n@@\n-c\n") == "a\nnew\nb\n"
    with pytest.raises(AssertionError, match="0 places"):
        changed("a\n", "-b\n")


@pytest.mark.system
@pytest.mark.parametrize("heading", RECIPES)
def test_a_recipe_that_is_followed_passes_its_tests_the_layers_lint_and_types(heading: str, tree: Path):
    before = departures(tree)
    follow(RECIPES[heading], tree)
    assert departures(tree) == before
    files = list(RECIPES[heading])
    run(tree, "ruff", "check", *files)
    run(tree, "ruff", "format", "--check", *files)
    run(tree, "pyright", "--pythonpath", sys.executable, *(file for file in files if not file.startswith("tests/")))
    run(tree, "pytest", "-q", "-p", "no:cacheprovider", *(file for file in files if file.startswith("tests/")))
