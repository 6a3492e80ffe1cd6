# pyright: strict
"""Reading the metadata of prompts.

Keys that Salon's judges read: `class` (rubric, detector), `text` (ocr), `questions` (vqa), and those that a detector's
`metadata_keys` name. Others are for `applies_if` and for judges of a user's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

Metadata = Sequence[Mapping[str, Any]]
"""One mapping for each picture: the metadata of its prompt in the prompt list."""


def metadata_of(n: int, metadata: Metadata | None) -> Metadata:
    """The metadata of `n` pictures: empty mappings where there is none."""
    return [{} for _ in range(n)] if metadata is None else metadata


def names_of(metadata: Mapping[str, Any], key: str) -> list[str] | None:
    """The names under `key`: a list, or one name, which is a list of one. None where the key is missing or null."""
    value: object = metadata.get(key)
    if value is None:
        return None
    names = cast(Sequence[object], value) if isinstance(value, (list, tuple)) else [value]
    return [str(name) for name in names if name is not None]
