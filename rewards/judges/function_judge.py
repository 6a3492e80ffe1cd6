# pyright: strict
"""A user's own function as a judge."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rewards.arrays import ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge
from rewards.verdict import Verdict

Score = Callable[..., float]
"""`(image, prompt, **options)` → value; `image` is `[h, w, 3]` uint8"""


class FunctionJudge(Judge):
    """Value: what the function returns for one picture and its prompt.

    A picture for which it raises, or returns NaN, an infinity or no number, has a verdict with status error; the others
    of the batch keep theirs. The version is a hash of the source of the function's module, helpers included, and of the
    options: what it imports from elsewhere, or reads from a file, is not in it.
    """

    def __init__(self, name: str, function: Score, options: Mapping[str, Any]) -> None:
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise ValueError(f"{function.__qualname__} is async or a generator; a judge is a plain function")
        try:
            inspect.signature(function).bind(np.zeros((1, 1, 3), np.uint8), "", **options)
            source = inspect.getsource(sys.modules[function.__module__])
        except TypeError as error:
            raise ValueError(
                f"{function.__qualname__} cannot be called as (image, prompt, **options): {error}"
            ) from None
        except OSError as error:
            raise ValueError(f"{function.__qualname__} has no source to make its version of ({error})") from None
        self.name = name
        self.version = fingerprint(None, source=source, function=function.__qualname__, options=dict(options))
        self._function, self._options = function, dict(options)

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        return [self._verdict(image, prompt) for image, prompt in zip(images, prompts, strict=True)]

    def _verdict(self, image: ImageArray, prompt: str) -> Verdict:
        try:
            # A copy, because other judges see the same pixels.
            value = float(self._function(image.copy(), prompt, **self._options))
        except Exception as error:
            return Verdict(self.name, "error", text=f"{type(error).__name__}: {error}", version=self.version)
        if not math.isfinite(value):
            return Verdict(self.name, "error", text=f"value {value}", version=self.version)
        return Verdict(self.name, "ok", value=value, version=self.version)
