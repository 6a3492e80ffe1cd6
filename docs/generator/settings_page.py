# pyright: strict
"""The settings reference: every key of the YAML with its type, its default and what is written below it in the code."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cluster.config.config_errors import sections_of
from cluster.config.experiment import ExperimentConfig
from cluster.config.renamed_keys import RENAMED_VALUES
from rewards.registry import OWN

INTRODUCTION = """\
# Settings

Every key of an experiment's YAML, made from the code. `salon train CONFIG --set KEY=VALUE` overrides one, and so does
`salon.load_config(path, **{"KEY": value})`. An unknown key is refused, with the nearest one that there is; NAME stands
for a name of your own. `salon serve` and `salon judge` read `rewards` and `cluster` only.
"""
WORDS = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path", type(None): "none"}


def settings_page() -> str:
    """The page, in Markdown."""
    page = _Page()
    page.section("", ExperimentConfig)
    page.renamed()
    return "\n".join([INTRODUCTION, *page.lines])


@cache
def descriptions(section: type[BaseModel]) -> Mapping[str, str]:
    """Key → the docstring below it, in one line, of `section` and of what it inherits from."""
    found: dict[str, str] = {}
    for cls in section.__mro__:
        if cls is not BaseModel and issubclass(cls, BaseModel):
            found = _own_descriptions(cls) | found
    return found


def _own_descriptions(section: type[BaseModel]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(section))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for key, below in zip(tree.body, tree.body[1:], strict=False):
        match key, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
            case _:
                pass
    return found


class _Page:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._anchors: set[str] = set()
        self._renamed: list[tuple[str, str]] = []

    def section(self, prefix: str, section: type[BaseModel], kind: str = "", common: Sequence[str] = ()) -> None:
        """Heading, table and, below it, the sections in it; of a `kind` without the keys that are `common` to all."""
        heading = f"`{prefix}`" if prefix else "An experiment"
        heading += f", kind `{kind.replace(OWN, 'package.module:name')}`" if kind else ""
        anchor = f" {{ #{prefix} }}" if prefix and self._is_new(prefix) else ""
        self.lines += [
            "",
            f"{'###' if kind else '##'} {heading}{anchor}",
            "",
            inspect.cleandoc(section.__doc__ or ""),
            "",
        ]
        dot = f"{prefix}." if prefix else ""
        self._renamed += [(f"{dot}{old}", f"{dot}{new}") for old, new in getattr(section, "renamed", {}).items()]
        fields = {name: field for name, field in section.model_fields.items() if name not in common}
        if fields:
            self.lines += ["| key | is | default | |", "|---|---|---|---|"]
        for name, field in fields.items():
            text = descriptions(section).get(name) or _first_line(field.annotation)
            cells = (self._key(f"{dot}{name}", name, field.annotation), _type(field), _default(field), text)
            self.lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
        for name, field in fields.items():
            self._below(f"{dot}{name}", field.annotation)

    def _below(self, key: str, annotation: Any) -> None:
        if get_origin(annotation) is dict:
            key, annotation = f"{key}.NAME", get_args(annotation)[1]
        kinds = sections_of(annotation)
        if "" in kinds and len(kinds) == 1:
            self.section(key, kinds[""])
        elif kinds:
            base = _common_base([*kinds.values()])
            common = list(base.model_fields) if base else []
            if base:
                self.section(key, base)
            for kind, section in kinds.items():
                self.section(key, section, kind, [name for name in common if _same(name, base, section)])

    def renamed(self) -> None:
        """Keys and values under former names, which are still read."""
        values = [(f"{key}: {old}", new) for key, renamed in RENAMED_VALUES.items() for old, new in renamed.items()]
        if renamed := [*self._renamed, *values]:
            self.lines += ["", "## Former names", "", "They are still read; a line on stderr says today's.", ""]
            self.lines += ["| former | today |", "|---|---|", *(f"| `{old}` | `{new}` |" for old, new in renamed)]

    def _key(self, key: str, name: str, annotation: Any) -> str:
        """The key's cell, with an anchor; a section's is its heading."""
        if get_origin(annotation) is not dict and sections_of(annotation):
            return f"[`{name}`](#{key})"
        return f'<span id="{key}">`{name}`</span>' if self._is_new(key) else f"`{name}`"

    def _is_new(self, key: str) -> bool:
        """Whether the key has no anchor yet; of keys that several kinds have, the first gets it."""
        new = key not in self._anchors
        self._anchors.add(key)
        return new


def _common_base(sections: Sequence[type[BaseModel]]) -> type[BaseModel] | None:
    """The class nearest to `sections` that all of them inherit from and that has keys."""
    for cls in sections[0].__mro__:
        if issubclass(cls, BaseModel) and cls.model_fields and all(issubclass(section, cls) for section in sections):
            return cls if len(sections) > 1 else None
    return None


def _same(name: str, base: type[BaseModel] | None, section: type[BaseModel]) -> bool:
    """Whether a key is the same in a kind as in what all kinds have; `kind` is, as the heading says its value."""
    assert base is not None
    ours, theirs = section.model_fields[name], base.model_fields[name]
    return name == "kind" or (ours.annotation, ours.default) == (theirs.annotation, theirs.default)


def _type(field: FieldInfo) -> str:
    limits = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(m, name):g}" for m in field.metadata for name, sign in limits.items() if hasattr(m, name)
    ]
    return " ".join([_words(field.annotation), *bounds])


def _words(annotation: Any) -> str:
    """A type in words."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if sections := sections_of(annotation):
        return "a section" if len(sections) == 1 else "a section, by its `kind`"
    if origin is Literal:
        return " or ".join(f"`{_value(value)}`" for value in inside)
    if origin is Annotated:
        return _words(inside[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_words(part) for part in inside)
    if origin is dict:
        return f"names, each with {_words(inside[1])}"
    if origin is tuple and Ellipsis not in inside:
        return f"[{', '.join(_words(part) for part in inside)}]"
    if origin in (list, tuple):
        return f"list of {_words(inside[0])}"
    return WORDS.get(annotation, "anything")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or isinstance(value, BaseModel):
        return ""
    return f"`{_value(value)}`"


def _value(value: Any) -> str:
    """A value as YAML has it, in one line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return f"{{{', '.join(f'{key}: {_value(part)}' for key, part in items)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(part) for part in cast('Sequence[Any]', value))}]"
    return str(value) or '""'


def _first_line(annotation: Any) -> str:
    """What a section says of itself; "" for what is none, or may be several."""
    sections = [*sections_of(annotation).values()]
    return _docstring(sections[0]).partition("\n\n")[0].replace("\n", " ") if len(sections) == 1 else ""


def _docstring(section: type[BaseModel]) -> str:
    return inspect.cleandoc(section.__doc__ or "")
