# pyright: strict
"""What can be said of a model's folder from its files' first bytes, without loading anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from rewards.text import parse_json
from rewards.user_input.files import read_user_text

LFS = b"version https://git-lfs.github.com/spec/"
WEIGHTS = (".safetensors", ".bin", ".onnx", ".pt")
HEADER_BYTES = 100_000_000
"""what the format allows the header of a safetensors file"""
_VARIANT = re.compile(r"[^.]+\.([^.]+?)(-\d{5}-of-\d{5})?\.(safetensors|bin)")


class StoredTensor(NamedTuple):
    """A tensor of a safetensors file."""

    name: str
    shape: tuple[int, ...]


def read_json_object(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file; raises ValueError, which begins with the path."""
    text = read_user_text(path)
    if text.encode().startswith(LFS):
        raise ValueError(_pointer(path))
    value: object = parse_json(text, str(path))
    if not isinstance(value, dict):
        raise ValueError(f"{path}: holds no JSON object with settings; is it another file's content?")
    return cast("Mapping[str, Any]", value)


def stored_tensors(path: Path) -> list[StoredTensor]:
    """The tensors of a safetensors file, by its header; raises ValueError, which begins with the path, if it is torn,
    or a Git LFS pointer in its place."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(len(LFS))
            if start == LFS:
                raise ValueError(_pointer(path))
            length = int.from_bytes(start[:8], "little")
            if size < 8 or not 0 < length <= min(HEADER_BYTES, size - 8):
                raise ValueError(f"{path}: is torn or no safetensors file ({size:,} bytes); is the download whole?")
            file.seek(8)
            header = cast("dict[str, Any]", json.loads(file.read(length)))
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        whole = 8 + length + max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
        tensors = [StoredTensor(name, tuple(entry["shape"])) for name, entry in entries.items()]
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except (AttributeError, KeyError, TypeError, RecursionError, json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f"{path}: is no safetensors file (its header is none); is the download whole?") from None
    if size != whole:
        raise ValueError(f"{path}: has {size:,} bytes of {whole:,}; the download is not whole")
    return tensors


def variant_of(file: Path) -> str | None:
    """The variant that a file of weights is of, by its name: `fp16` of model.fp16-00001-of-00002.safetensors."""
    named = _VARIANT.fullmatch(file.name)
    return named[1] if named else None


def loaded_weights(files: Iterable[Path], variant: str | None) -> list[Path]:
    """Those of the `files` that are loaded where a folder has several sets of weights: the `variant` in folders that
    have it, and the plain set in others."""
    files = sorted(files)
    having = {file.parent for file in files if variant is not None and variant_of(file) == variant}
    return [file for file in files if variant_of(file) == (variant if file.parent in having else None)]


def folder_problems(folder: Path, types: Sequence[str] = (), variant: str | None = None) -> Iterator[str]:
    """What is wrong with the files of a model's `folder` that are loaded with `variant`, and whose config.json, if it
    has one, should name one of the model `types` (empty: any)."""
    files = [file for file in folder.rglob("*") if file.suffix in (*WEIGHTS, ".json") and file.is_file()]
    settings = [file for file in files if file.suffix == ".json"]
    for file in sorted([*settings, *loaded_weights({*files} - {*settings}, variant)]):
        try:
            if file.suffix == ".safetensors":
                stored_tensors(file)
            else:
                check_no_pointer(file)
        except ValueError as error:
            yield str(error)
    config = folder / "config.json"
    if types and config.is_file() and not _starts_with(config, LFS):
        try:
            found = read_json_object(config).get("model_type")
        except ValueError as error:
            yield str(error)
        else:
            if found not in types:
                yield f"{folder}: is a {found!r} model; give a {' or '.join(types)}"


def check_no_pointer(path: Path) -> None:
    """Raises ValueError, which begins with the path, for a Git LFS pointer in the place of a file."""
    if _starts_with(path, LFS):
        raise ValueError(_pointer(path))


def _starts_with(file: Path, start: bytes) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(len(start)) == start
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from None


def _pointer(path: Path) -> str:
    return f"{path}: is a Git LFS pointer, not the file itself; run `git lfs pull` where it was cloned"
