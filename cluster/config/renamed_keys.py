"""Renamed keys: a config that has a key or value under its former name is read as if it had today's.

A section declares the former names of its keys in `Section.renamed`; those of values are listed in RENAMED_VALUES.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard, get_args, get_origin

from pydantic import BaseModel

from cluster.config.config_errors import sections_of
from cluster.errors import ConfigError
from menagerie import FORMER_KINDS
from rewards.settings.section import Section

RENAMED_VALUES: dict[str, Mapping[str, str]] = {"rewards.judges.NAME.kind": FORMER_KINDS}
"""Dotted key, in which NAME stands for any name → former value → today's."""
_NOTHING = object()


class Renaming(NamedTuple):
    """What was found under a former name, as the user wrote it (`key`, or `key: value`), today's key, and what it is
    called today: that key, or its new value."""

    written: str
    key: str
    today: str

    def former(self, key: str) -> str:
        """`key`, one of today's, as the user wrote it."""
        return self.written + key.removeprefix(self.key) if _is_in(key, self.key) and self.today == self.key else key

    def __str__(self) -> str:
        return f"{self.written} is now {self.today}"


def rename_keys(model: type[BaseModel], values: dict[str, Any], where: str) -> list[Renaming]:
    """Gives every key in `values`, a `model` as read from YAML, its name of today; returns what had another.

    Raises ConfigError, which begins with `where` (the file), for a key that stands under both names.
    """
    return list(_rename(model, values, where, (), ()))


def todays_key(model: type[BaseModel], key: str, values: Mapping[str, Any]) -> str:
    """Today's name of the dotted `key` of a `model`; the `values` around it say of which kind a section is."""
    annotation: Any = model
    here: Any = values
    left, done = key.split("."), list[str]()
    while left:
        section = _section(annotation, here)
        for former, today in section.renamed.items() if section else ():
            if left[: len(parts := former.split("."))] == parts:
                left = [*today.split("."), *left[len(parts) :]]
        done.append(left.pop(0))
        annotation = _below(annotation, section, done[-1])
        here = here.get(done[-1]) if _is_mapping(here) else None
    return ".".join(done)


def _rename(
    annotation: Any, values: Any, where: str, path: tuple[str, ...], pattern: tuple[str, ...]
) -> Iterator[Renaming]:
    """`pattern` is the `path` to `values`, with NAME for every name that is the user's to choose."""
    if not _is_mapping(values):
        return
    for name, value in values.items():
        renamed = RENAMED_VALUES.get(".".join((*pattern, name)), {})
        if isinstance(value, str) and value in renamed:
            key, values[name] = ".".join((*path, name)), renamed[value]
            yield Renaming(f"{key}: {value}", key, renamed[value])
    section = _section(annotation, values)
    for former, today in section.renamed.items() if section else ():
        if (value := _take(values, former.split("."))) is not _NOTHING:
            written, key = (".".join((*path, name)) for name in (former, today))
            if not _put(values, today.split("."), value):
                raise ConfigError(f"{where}{written} is now {key}, and there is something under both names; keep {key}")
            yield Renaming(written, key, key)
    free = get_origin(annotation) is dict
    for name, value in values.items():
        inner = _below(annotation, section, name)
        yield from _rename(inner, value, where, (*path, name), (*pattern, "NAME" if free else name))


def _section(annotation: Any, values: Any) -> type[Section] | None:
    """The section that stands there; of several kinds, the one that `values` say. None if there is none."""
    sections = sections_of(annotation)
    kind = str(values.get("kind")) if _is_mapping(values) else ""
    found = sections.get(kind) if len(sections) > 1 else next(iter(sections.values()), None)
    return found if found is not None and issubclass(found, Section) else None


def _below(annotation: Any, section: type[Section] | None, name: str) -> Any:
    """What stands at `name` inside `annotation`, or inside the `section` that it is; None if nothing is known."""
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    field = section.model_fields.get(name) if section else None
    return field.annotation if field else None


def _take(values: dict[str, Any], key: Sequence[str]) -> Any:
    """Takes the value at `key` out of `values`, and sections that it leaves empty; _NOTHING if there is none."""
    name, *below = key
    if not below:
        return values.pop(name, _NOTHING)
    if not _is_mapping(inner := values.get(name)):
        return _NOTHING
    value = _take(inner, below)
    if not inner and value is not _NOTHING:
        del values[name]
    return value


def _put(values: dict[str, Any], key: Sequence[str], value: Any) -> bool:
    """Puts `value` at `key`, making sections that are not there; False, and nothing happens, if there is another."""
    name, *below = key
    if below:
        inner = values.setdefault(name, {})
        return _is_mapping(inner) and _put(inner, below, value)
    if name in values:
        return False
    values[name] = value
    return True


def _is_in(key: str, section: str) -> bool:
    return key == section or key.startswith(f"{section}.")


def _is_mapping(values: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(values, dict)
