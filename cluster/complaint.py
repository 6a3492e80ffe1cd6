# pyright: strict
"""What is wrong with a config, in words: pydantic's errors as one line each, with the key that was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

Source = Callable[[str], str]
"""Dotted key → where the user wrote it, key included; "" stands for the whole config."""


def complaints(error: ValidationError, model: type[BaseModel], source: Source) -> list[str]:
    """One line per problem in `error`, which came of validating a `model`."""
    lines: list[str] = []
    for problem in error.errors():
        key = ".".join(map(str, problem["loc"]))
        kind, message = problem["type"], problem["msg"]
        if kind == "extra_forbidden":
            lines.append(f"{source(key)}: unknown key; {_meant(model, problem['loc'])}")
        elif kind == "missing":
            lines.append(f"{source(key)}: is missing{_purpose(model, problem['loc'])}")
        elif kind in ("model_type", "dict_type"):
            lines.append(f"{source(key)}: must be a section with keys, not {shortened(problem['input'])}")
        elif kind == "value_error":
            own = message.removeprefix("Value error, ").splitlines()
            # A check across sections stands at the root, and its lines begin with the key that they are about.
            lines += [f"{source(key)}: {line}" for line in own]
        else:
            told = re.sub(r"^[A-Z]\w* should ", "must ", message)
            given = "" if ", not " in told else f", not {shortened(problem['input'])}"
            lines.append(f"{source(key)}: {told}{given}")
    return lines


def known_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted key of `model` and of the sections inside it; a section whose name is free is called NAME."""
    for name, field in model.model_fields.items():
        yield prefix + name
        inner, free = _section(field.annotation), get_origin(field.annotation) is dict
        if inner is not None:
            yield from known_keys(inner, f"{prefix}{name}.NAME." if free else f"{prefix}{name}.")


def shortened(value: object) -> str:
    """`value` as it would be written, cut when it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _meant(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """What the user may have meant by the unknown key at `loc`."""
    here, section = ".".join(map(str, loc[:-1])), _at(model, loc[:-1])
    mine = list(section.model_fields) if section is not None else []
    wrong = str(loc[-1])
    if close := difflib.get_close_matches(wrong, mine, n=1):
        return f"did you mean {here}.{close[0]}?" if here else f"did you mean {close[0]}?"
    everywhere = list(known_keys(model))
    names = {key.rpartition(".")[2] for key in everywhere}
    if close := difflib.get_close_matches(wrong, names, n=1, cutoff=0.8):
        there = [key for key in everywhere if key.rpartition(".")[2] == close[0]]
        return f"did you mean {' or '.join(there[:3])}?"
    return f"{here or 'an experiment'} has {', '.join(mine)}"


def _purpose(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """What belongs at the missing key: its own keys, if it is a section."""
    inner = _at(model, loc)
    if inner is None:
        return ""
    needed = [name for name, field in inner.model_fields.items() if field.is_required()]
    return f"; it is a section with {', '.join(needed)}"


def _at(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The section that stands at `loc`, or None if no section does."""
    annotation: Any = model
    for part in loc:
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
            continue
        section = _section(annotation)
        if section is None or part not in section.model_fields:
            return None
        annotation = section.model_fields[str(part)].annotation
    return None if get_origin(annotation) is dict else _section(annotation)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model that `annotation` is, or holds as the values of a dict."""
    candidates: list[Any] = [annotation, *get_args(annotation)]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
