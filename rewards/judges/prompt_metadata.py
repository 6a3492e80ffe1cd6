# pyright: strict
"""What the metadata of a prompt names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast


def names_of(metadata: Mapping[str, Any], key: str) -> list[str] | None:
    """The names under `key`: a list, or one name, which is a list of one. None where the key is missing or null."""
    value: object = metadata.get(key)
    if value is None:
        return None
    names = cast(Sequence[object], value) if isinstance(value, (list, tuple)) else [value]
    return [str(name) for name in names if name is not None]
