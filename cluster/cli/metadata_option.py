"""What `salon judge --metadata` takes: objects in JSON, or files with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from rewards.text import parse_json
from rewards.user_input.files import read_user_text
from rewards.user_input.plain_values import unreadable

Metadata = dict[str, Any]


def read_metadata(options: Sequence[str], pictures: int) -> list[Metadata] | None:
    """The metadata of each of `pictures`, from objects in JSON and from files of one object, or of a list of them.

    Together they are one for each picture, in order, or one for all. None without `options`. Raises ValueError, naming
    the option or file.
    """
    if not options:
        return None
    objects = [entry for option in options for entry in _objects(option)]
    if len(objects) not in (1, pictures):
        raise ValueError(f"--metadata: {len(objects)} given for {pictures} pictures; give one for each, or one for all")
    return objects if len(objects) > 1 else objects * pictures


def _objects(option: str) -> list[Metadata]:
    inline = option.lstrip().startswith(("{", "["))
    where = "--metadata" if inline else option
    value: object = parse_json(option if inline else read_user_text(Path(option)), where)
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    for entry in entries:
        if not isinstance(entry, dict):
            raise ValueError(f'{where}: is no JSON object such as {{"class": "cat"}}, nor a list of them')
        if reason := unreadable(entry):
            raise ValueError(f"{where}: {reason}")
    return cast("list[Metadata]", entries)
