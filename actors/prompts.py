# pyright: strict
"""Prompts: a file in, an endless deterministic sequence out."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from actors.prompt_files import read_prompts

Prompt = tuple[str, dict[str, Any]]


class PromptList:
    """The prompts of a file and their metadata for the judges, in the file's order (see `actors.prompt_files`).

    A prompt that stands there twice is drawn twice as often. Raises ValueError, with file and line, for a file that is
    missing, holds no prompt, or has metadata that is not a JSON object.
    """

    def __init__(self, file: Path | str) -> None:
        self.file = Path(file)
        self._prompts = read_prompts(self.file)

    def __len__(self) -> int:
        return len(self._prompts)

    def __getitem__(self, index: int) -> Prompt:
        """The `index`-th prompt of the file, and its metadata."""
        return self._prompts[index].prompt, self._prompts[index].metadata

    def place(self, index: int) -> str:
        """Where the `index`-th prompt stands: the file and the line."""
        return f"{self.file} line {self._prompts[index].line}"

    def at(self, index: int, seed: int) -> Prompt:
        """The prompt at an index of the run: epochs over the whole list, each shuffled anew by (seed, epoch)."""
        epoch, position = divmod(index, len(self._prompts))
        return self[_shuffled(len(self._prompts), seed, epoch)[position]]


@lru_cache(maxsize=4)
def _shuffled(count: int, seed: int, epoch: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.random.default_rng([seed, epoch]).permutation(count))
