"""The base of every section of the YAML, and the types that several of them share."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

OnError = Literal["drop", "renormalise", "stop"]
"""What becomes of a picture that a judge could not judge.

drop         the picture is unscored
renormalise  the weights are renormalised over the judges that gave a value
stop         an error ends the run
"""

Precision = Literal["float32", "bfloat16", "float16"]
"""Of a model's weights."""

LARGEST = 10**9
"""No count and no other number of a config is further from zero, unless its key says so: a billion seconds are thirty
years, and a billion pictures of 64 × 64 pixels are twelve terabytes."""


@dataclass(frozen=True, slots=True)
class AtMost:
    """Annotation of a number: a limit, and the reason that a user is told."""

    le: int
    why: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: float) -> float:
        if value > self.le:
            raise ValueError(f"must be at most {self.le:,} ({self.why}), not {value:,}")
        return value


Processes = Annotated[int, Field(ge=1), AtMost(100_000, "Ray starts a process for each")]

Threads = Annotated[int, Field(ge=1), AtMost(4_096, "no machine has more processors")]
"""Torch threads of a process."""


def expand_user(path: str) -> str:
    """`path` with a leading ~ as the user's home; unchanged if there is none."""
    return os.path.expanduser(path) if path.startswith("~") else path


UserFile = Annotated[Path, AfterValidator(lambda path: Path(expand_user(str(path))))]
"""A file or folder that a user names; ~ is the home."""

ModelName = Annotated[str, AfterValidator(expand_user)]
"""A folder, in which ~ is the home, or a name on the hub."""


def _scalars(schema: Any) -> Iterator[dict[str, Any]]:
    """The numbers, words and truth values in `schema`, at any depth."""
    if isinstance(schema, dict):
        entries = cast("dict[str, Any]", schema)
        if entries.get("type") in ("int", "float", "bool", "str"):
            yield entries
        for key, part in entries.items():
            if key not in ("default", "metadata", "expected"):
                yield from _scalars(part)
    elif isinstance(schema, list | tuple):
        for part in cast("list[Any]", schema):
            yield from _scalars(part)


def _finite(value: Any) -> Any:
    """`value` of any form; raises ValueError if a number in it is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"must hold finite numbers only, not {value}")
    if isinstance(value, dict):
        _finite([*cast("dict[Any, Any]", value).values()])
    elif isinstance(value, list):
        for part in cast("list[Any]", value):
            _finite(part)
    return cast("object", value)


Anything = Annotated[Any, AfterValidator(_finite)]
"""A value of any form, whose numbers are finite."""


class Section(BaseModel):
    """A section of the YAML: unknown keys are refused, and nothing changes after it was read.

    Values are taken as they are written: a word is no number, nor is true a 1. Numbers are finite, and within ± LARGEST
    where the field has no bound of its own. All of that holds for the Config of a judge of a user's own, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    renamed: ClassVar[Mapping[str, str]] = {}
    """former dotted key → today's, both seen from this section: a config that has the former one is still read"""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        for scalar in _scalars(schema):
            scalar["strict"] = True
            if scalar["type"] in ("int", "float"):
                if "le" not in scalar and "lt" not in scalar:
                    scalar["le"] = LARGEST
                if "ge" not in scalar and "gt" not in scalar:
                    scalar["ge"] = -LARGEST
        return schema
