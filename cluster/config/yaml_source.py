"""Where a config comes from: a YAML file and `--set` overrides, as plain values.

What cannot be read is a ConfigError, in one line that names the file or the override.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import yaml

from cluster.errors import ConfigError
from rewards.errors import shortened
from rewards.user_input.files import read_user_text
from rewards.user_input.plain_values import unreadable

DEEPEST_KEY = 20
"""dots in a key; the deepest of Salon's has six"""


class _Loader(yaml.SafeLoader):
    """YAML as a person means it: `3e-4` is a number, and a key that stands twice in a section is a mistake."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return cast("Any", super()).construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # PyYAML lets errors of Python's own through: of a 13th month, of 5,000 digits, of `!!float x`.
            raise yaml.constructor.ConstructorError(
                None, None, f"{_shortened(node)} is no {node.tag.rpartition(':')[2]}", node.start_mark
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The top-level mapping of the YAML file at `path`."""
    try:
        text = read_user_text(path)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    values = _parse(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds no keys; write `name: ...`, `updates: ...` and the rest of an experiment")
    return cast("dict[str, Any]", values)


def read_override(override: str) -> tuple[str, Any]:
    """The dotted key and the value, read as YAML, of "a.b=c"."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")) or key.count(".") > DEEPEST_KEY:
        raise ConfigError(f"--set {shortened(override)}: write KEY=VALUE with a dotted key, such as learner.lr=1e-4")
    return key, _parse(text, f"--set {shortened(override)}")


def put_value(values: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Puts `value` at the dotted `key` of `values`, making sections that are not there.

    Raises ConfigError, which begins with `where`, if the key leads through something that is no section."""
    parts = key.split(".")
    section = values
    for i, part in enumerate(parts[:-1]):
        inner = section.get(part)
        if inner is None:
            inner = section[part] = {}
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{where}: {'.'.join(parts[: i + 1])} is {shortened(repr(inner))}, not a section with keys"
            )
        section = cast("dict[str, Any]", inner)
    section[parts[-1]] = value


def _parse(text: str, where: str) -> Any:
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where_in = f" line {mark.line + 1} column {mark.column + 1}" if mark and not where.startswith("--set") else ""
        raise ConfigError(f"{where}{where_in}: {error.problem or 'not YAML'}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{where}: is nested too deeply") from None
    # Numbers that are not finite are the schema's to refuse, which knows their key.
    if reason := unreadable(value, finite=False):
        raise ConfigError(f"{where}: {reason}")
    return value


def _shortened(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(shortened(str(node.value)))
    return "a list" if isinstance(node, yaml.SequenceNode) else "a section"


# YAML 1.1 takes a number whose exponent has no dot before it or no sign, such as 3e-4 or 1.5e3, for text.
_EXPONENT = re.compile(r"^[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)[eE][-+]?[0-9]+$")
_Loader.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]
    "tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789")
)
