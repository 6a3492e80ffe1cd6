"""What is wrong with a config, in words: pydantic's errors as one line each, with the key that was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, Literal, Protocol, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from rewards.errors import shortened
from rewards.settings.section import LARGEST

Loc = tuple[int | str, ...]


class Source(Protocol):
    """Where the values of a config come from, by their dotted keys; "" stands for the whole config."""

    def of(self, key: str) -> str:
        """Where the user wrote the key, key included."""
        ...

    def written(self, key: str) -> str:
        """The key as the user wrote it, which may be by a former name."""
        ...


def describe_errors(error: ValidationError, model: type[BaseModel], source: Source) -> list[str]:
    """One line per problem in `error`, which came of validating a `model`."""
    lines: list[str] = []
    problems = error.errors()
    for problem in problems:
        if problem["type"] == "too_short" and any(_within(other["loc"], problem["loc"]) for other in problems):
            continue  # what is in it was refused
        keys, _ = _walk(model, problem["loc"])
        key = ".".join(keys)
        kind, message = problem["type"], problem["msg"]
        if kind == "extra_forbidden":
            lines.append(f"{source.of(key)}: unknown key; {_meant(model, problem['loc'])}")
        elif kind == "missing":
            lines.append(f"{source.of(key)}: is missing{_purpose(model, problem['loc'])}")
        elif kind in ("model_type", "dict_type"):
            lines.append(f"{source.of(key)}: must be a section with keys, not {_shown(problem['input'])}")
        elif kind == "union_tag_invalid":
            context = problem.get("ctx", {})
            lines.append(f"{source.of(f'{key}.kind')}: must be {context['expected_tags']}, not {context['tag']!r}")
        elif kind == "value_error":
            own = message.removeprefix("Value error, ").splitlines()
            # A check across sections stands at the root, and its lines begin with the key that they are about.
            lines += [f"{source.of(key)}: {line if key else _reworded(line, source)}" for line in own]
        else:
            must = _beyond(problem) or re.sub(r"^[A-Z]\w* should ", "must ", message)
            value = "" if ", not " in must else f", not {_shown(problem['input'])}"
            lines.append(f"{source.of(key)}: {must}{value}")
    return lines


def _within(loc: Loc, other: Loc) -> bool:
    return len(loc) > len(other) and loc[: len(other)] == other


def _beyond(problem: ErrorDetails) -> str:
    """What to say of a number that is out of the bound that holds for all."""
    context: dict[str, Any] = problem.get("ctx", {})
    if context.get("le") == LARGEST:
        return f"must be at most {LARGEST:,}, as nothing that a run counts or waits for is more"
    if context.get("ge") == -LARGEST:
        return f"must be at least {-LARGEST:,}"
    return ""


def known_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted key of `model` and of the sections inside it; a section whose name is free is called NAME."""
    for name, field in model.model_fields.items():
        yield prefix + name
        free = get_origin(field.annotation) is dict
        inner = sections_of(get_args(field.annotation)[1] if free else field.annotation).values()
        below = f"{prefix}{name}.NAME." if free else f"{prefix}{name}."
        yield from dict.fromkeys(key for section in inner for key in known_keys(section, below))


def _shown(value: object) -> str:
    """`value` as it would be written, cut when it is long."""
    return shortened(repr(value))


def _meant(model: type[BaseModel], loc: Loc) -> str:
    """What the user may have meant by the unknown key at `loc`."""
    keys, section = _walk(model, loc[:-1])
    here, mine, wrong = ".".join(keys), list(section.model_fields) if section else [], str(loc[-1])
    if close := difflib.get_close_matches(wrong, mine, n=1):
        return f"did you mean {here}.{close[0]}?" if here else f"did you mean {close[0]}?"
    everywhere = list(known_keys(model))
    names = {key.rpartition(".")[2] for key in everywhere}
    if close := difflib.get_close_matches(wrong, names, n=1, cutoff=0.8):
        there = [key for key in everywhere if key.rpartition(".")[2] == close[0]]
        # In a section of one kind among several, the key of another kind would only mislead.
        if there := [key for key in there if not _stands_in(key, here)]:
            return f"did you mean {' or '.join(there[:3])}?"
    return f"{here or 'an experiment'} has {', '.join(mine)}"


def _reworded(line: str, source: Source) -> str:
    key, colon, rest = line.partition(": ")
    return f"{source.written(key)}{colon}{rest}"


def _stands_in(key: str, section: str) -> bool:
    """Whether `key`, in which NAME stands for any name, is one of `section`'s."""
    parent = re.escape(key.rpartition(".")[0]).replace("NAME", "[^.]+")
    return re.fullmatch(parent, section) is not None


def _purpose(model: type[BaseModel], loc: Loc) -> str:
    """What belongs at the missing key: its own keys, if it is a section."""
    _, inner = _walk(model, loc)
    if inner is None:
        return ""
    needed = [name for name, field in inner.model_fields.items() if field.is_required()]
    return f"; it is a section with {', '.join(needed)}"


def _walk(model: type[BaseModel], loc: Loc) -> tuple[list[str], type[BaseModel] | None]:
    """The keys, as a user wrote them, that lead to pydantic's `loc`, and the section that stands there, if one does.

    Where a section may be of several kinds, `loc` holds the kind as well, which is no key.
    """
    keys: list[str] = []
    annotation: Any = model
    for part in loc:
        choices = sections_of(annotation)
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        elif len(choices) > 1 or str(part) in choices:
            annotation = choices.get(str(part))
            continue
        else:
            (section,) = choices.values() or (None,)
            field = section.model_fields.get(str(part)) if section else None
            annotation = field.annotation if field else None
        keys.append(str(part))
    (section,) = sections_of(annotation).values() if len(sections_of(annotation)) == 1 else (None,)
    return keys, section


def sections_of(annotation: Any) -> dict[str, type[BaseModel]]:
    """The sections that `annotation` allows, by the tag that tells them apart ("" where nothing does)."""
    return dict(_tagged(annotation))


def _tagged(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield _kind(annotation), annotation
    elif get_origin(annotation) is not dict and get_args(annotation):
        inner, *rest = get_args(annotation)
        tags = [extra.tag for extra in rest if isinstance(extra, Tag)]
        for candidate in (inner,) if tags else (inner, *rest):
            yield from ((tags[0] if tags else tag, section) for tag, section in _tagged(candidate))


def _kind(section: type[BaseModel]) -> str:
    """The only value that `kind` may have in `section`; "" if there is none, or not one alone."""
    field = section.model_fields.get("kind")
    values = get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()
    return str(values[0]) if len(values) == 1 else ""
