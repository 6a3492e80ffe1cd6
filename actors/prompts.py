# pyright: strict
"""Prompts: a text file in, an endless deterministic sequence out."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from rewards.text import decode_text, lines_of, parse_json

Prompt = tuple[str, dict[str, Any]]


class PromptList:
    """The prompts of a file, one a line, optionally with a tab and a JSON object of metadata for the judges.

        # elephants with every leg in the picture
        a grey elephant in the desert
        a red cat<TAB>{"animal": "cat", "colour": "red"}

    Text is as `rewards.text` has it. Empty lines and lines that start with `#` are skipped. A prompt that stands there
    twice is drawn twice as often.
    Raises ValueError, with file and line, for a file that is missing, holds no prompt, or has metadata that is not a
    JSON object.
    """

    def __init__(self, file: Path | str) -> None:
        self.file = Path(file)
        self._prompts = _read(self.file)

    def __len__(self) -> int:
        return len(self._prompts)

    def __getitem__(self, index: int) -> Prompt:
        """The prompt on the file's `index`-th line of prompts, and its metadata."""
        return self._prompts[index]

    def at(self, index: int, seed: int) -> Prompt:
        """The prompt at an index of the run: epochs over the whole list, each shuffled anew by (seed, epoch)."""
        epoch, position = divmod(index, len(self._prompts))
        return self._prompts[_shuffled(len(self._prompts), seed, epoch)[position]]


@lru_cache(maxsize=4)
def _shuffled(count: int, seed: int, epoch: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.random.default_rng([seed, epoch]).permutation(count))


def _read(file: Path) -> list[Prompt]:
    if not file.is_file():
        raise ValueError(f"prompts: there is no file {file}; write one prompt a line into it")
    prompts = [
        _parse(line, f"{file} line {number}")
        for number, line in enumerate(lines_of(decode_text(file.read_bytes(), f"prompts: {file}")), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not prompts:
        raise ValueError(f"prompts: {file} holds no prompt; write one prompt a line into it")
    return prompts


def _parse(line: str, where: str) -> Prompt:
    text, tab, rest = line.partition("\t")
    text = text.strip()
    if not text:
        raise ValueError(f"prompts: {where} has metadata but no prompt before the tab")
    if not tab:
        return text, {}
    metadata: object = parse_json(rest, f"prompts: {where}: what follows the tab")
    if not isinstance(metadata, dict):
        raise ValueError(f'prompts: {where}: what follows the tab is not a JSON object such as {{"animal": "cat"}}')
    return text, cast(dict[str, Any], metadata)
