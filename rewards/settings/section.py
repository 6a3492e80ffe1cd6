"""The base of every section of the YAML, and the types that several of them share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

OnError = Literal["drop", "renormalise", "stop"]
"""What becomes of a picture that a judge could not judge.

drop         the picture is unscored
renormalise  the weights are renormalised over the judges that gave a value
stop         an error ends the run
"""

Precision = Literal["float32", "bfloat16", "float16"]
"""Of a model's weights."""


class Section(BaseModel):
    """A section of the YAML: unknown keys are refused, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    renamed: ClassVar[Mapping[str, str]] = {}
    """former dotted key → today's, both seen from this section: a config that has the former one is still read"""
