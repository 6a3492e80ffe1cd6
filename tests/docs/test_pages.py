"""What the documents name is there: files, modules, keys, commands and links."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from documents import FOLDERS, PAGES, ROOT, blocks, commands, page, quoted

from cluster.config.config_errors import known_keys
from cluster.config.experiment import ExperimentConfig

FORMER = "CHANGELOG.md"
"""The page that speaks of what is gone, too."""
NOW = [path for path in PAGES if path.name != FORMER]
KEYS = set(known_keys(ExperimentConfig))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_links_lead_to_files(path: Path):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    made = {"reference/settings.md", "contributing.md", "changelog.md"}  # by docs/generator
    broken = [link for link in links if "://" not in link and link not in made and not (path.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("path", NOW, ids=named)
def test_files_and_modules_that_a_page_names_are_there(path: Path):
    words = quoted(path.read_text("utf-8"))
    files = [word for word in words if re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w./*-]*", word)]
    assert [file for file in files if not list(ROOT.glob(file.replace("NAME", "*")))] == []
    names = [word for word in words if re.fullmatch(rf"(?:{'|'.join(FOLDERS[:5])})(?:[.:]\w+)+", word)]
    assert [name for name in names if not _is_key(name) and not _is_defined(name.replace(":", "."))] == []


@pytest.mark.parametrize("path", NOW, ids=named)
def test_keys_that_a_page_names_are_keys(path: Path):
    sections = {key.partition(".")[0] for key in KEYS if "." in key}
    words = [word.partition(": ")[0] for word in quoted(path.read_text("utf-8"))]
    keys = [word for word in words if re.match(rf"(?:{'|'.join(sections)})\.(?!json\b)\w", word)]
    assert [key for key in keys if not _is_key(key) and not _is_defined(key.replace(":", "."))] == []


def _is_key(word: str) -> bool:
    """Whether it is a key of an experiment's YAML, with any name where the name is free."""
    return any(re.fullmatch(re.escape(key).replace("NAME", r"[\w-]+"), word) for key in KEYS)


def _is_defined(dotted: str) -> bool:
    """Whether it is a module, or a function or class at the top of one."""
    whole = ROOT.joinpath(*dotted.split("."))
    inside, name = whole.parent.with_suffix(".py"), whole.name
    if inside.is_file():
        return name in {getattr(node, "name", None) for node in ast.parse(inside.read_text("utf-8")).body}
    return whole.is_dir() or whole.with_suffix(".py").is_file()


@pytest.mark.parametrize("path", [p for p in NOW if blocks(p.read_text("utf-8"), "yaml")], ids=named)
def test_yaml_that_a_page_shows_is_read(path: Path):
    for block in blocks(path.read_text("utf-8"), "yaml"):
        shown = yaml.safe_load(block)
        whole = {} if "name" in shown else yaml.safe_load(page("configs/menagerie.yaml"))
        for section, values in shown.items():
            entire = section == "rewards" or not isinstance(values, dict)
            whole[section] = values if entire else whole.get(section, {}) | values
        ExperimentConfig.model_validate(whole)


def _commands() -> list[Any]:
    return [pytest.param(line, id=f"{named(p)}: {line}") for p in NOW for line in commands(p.read_text("utf-8"))]


@pytest.mark.parametrize("line", _commands())
def test_commands_that_a_page_shows_can_be_parsed(line: str):
    from cluster.cli.main import app

    command: Any = typer.main.get_command(app)
    arguments = shlex.split(line.replace("*.png", "cat.png"))[1:]
    context = command.make_context("salon", list(arguments), resilient_parsing=False)
    rest = [*context._protected_args, *context.args] if hasattr(context, "_protected_args") else context.args
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None, line
        context = command.make_context(name, rest, parent=context)
        rest = [*getattr(context, "_protected_args", []), *context.args]


def test_the_pages_show_every_command():
    from cluster.cli.main import app

    group: Any = typer.main.get_command(app)
    every = {*group.commands, *(f"menagerie {name}" for name in group.commands["menagerie"].commands)} - {"menagerie"}
    shown = {line for path in NOW for line in commands(path.read_text("utf-8"))}
    prose = {word for path in NOW for word in quoted(path.read_text("utf-8"))}
    assert {name for name in every if not any(line.startswith(f"salon {name}") for line in shown | prose)} == set()


def test_modules_and_tests_that_a_page_runs_are_there():
    pages = "\n".join(path.read_text("utf-8") for path in NOW)
    modules = set(re.findall(r"^    .*python -m ((?:\w+\.)+\w+)", pages, re.MULTILINE))
    assert {"benchmarks.judges", "rewards.models.aesthetic_model"} <= modules
    assert [module for module in modules if not _is_defined(module)] == []
    files = set(re.findall(r"^    .*pytest.* (tests/[\w/.]+)", pages, re.MULTILINE))
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_makefile_documents_every_target_and_has_those_that_the_pages_name():
    makefile = page("Makefile")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    documented = set(re.findall(r"^# make (\w+)", makefile, re.MULTILINE))
    assert targets == documented
    pages = "\n".join(path.read_text("utf-8") for path in NOW)
    assert {*re.findall(r"`make (\w+)`", pages), *re.findall(r"^    make (\w+)", pages, re.MULTILINE)} <= targets
