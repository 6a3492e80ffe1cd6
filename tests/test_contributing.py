"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contributing import changed, follow, recipes
from documents import ROOT

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
