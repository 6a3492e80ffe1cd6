"""Judges that fail in known ways when a picture's first pixel says so, and one that does not."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rewards.judge import Judge
from rewards.verdict import Verdict

# First pixel of a picture → what a faulty judge does when it sees it.
FINE, BAD, LETHAL = 10, 20, 30


class Steady(Judge):
    """The mean of a picture's last pixel, or a fixed value."""

    def __init__(self, name: str, model: str | None, device: str, value: float | None = None) -> None:
        self.name, self.version = name, "steady"
        self._value = value

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        return [self.verdict(image) for image in images]

    def verdict(self, image: np.ndarray) -> Verdict:
        value = float(image[-1, -1].mean()) if self._value is None else self._value
        return Verdict(self.name, "ok", value=value, text=str(os.getpid()), version=self.version)


class Raises(Steady):
    def verdict(self, image: np.ndarray) -> Verdict:
        if image[0, 0, 0] == BAD:
            raise RuntimeError("this picture is too much")
        return super().verdict(image)


class RaisesOnce(Steady):
    """Raises at the first bad picture that it sees, and never again."""

    raised = False

    def verdict(self, image: np.ndarray) -> Verdict:
        if image[0, 0, 0] == BAD and not self.raised:
            self.raised = True
            raise RuntimeError("out of memory, for a moment")
        return super().verdict(image)


class LosesItsDevice(Steady):
    """Raises at every picture once it has seen a bad one, as a process does whose GPU has failed an assert."""

    lost = False

    def verdict(self, image: np.ndarray) -> Verdict:
        self.lost = self.lost or image[0, 0, 0] == BAD
        if self.lost:
            raise RuntimeError("CUDA error: device-side assert triggered\nFor debugging consider ...")
        return super().verdict(image)


class Hangs(Steady):
    """Never comes back from a bad picture."""

    def verdict(self, image: np.ndarray) -> Verdict:
        if image[0, 0, 0] == BAD:
            threading.Event().wait()
        return super().verdict(image)


class Waits(Steady):
    """Answers once there is a file at `until`, so that a test in another process says when."""

    def __init__(self, name: str, model: str | None, device: str, until: str) -> None:
        super().__init__(name, model, device)
        self._until = Path(until)

    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        while not self._until.exists():
            time.sleep(0.01)
        return super().judge(images, prompts, metadata)


class SaysNaN(Steady):
    def verdict(self, image: np.ndarray) -> Verdict:
        verdict = super().verdict(image)
        if image[0, 0, 0] == BAD:
            # Around the constructor, which would refuse it.
            object.__setattr__(verdict, "value", float("nan"))
        return verdict


class SaysMore(Steady):
    """A verdict with the sub-score `extra`, whatever it is."""

    def __init__(self, name: str, model: str | None, device: str, extra: Any) -> None:
        super().__init__(name, model, device)
        self._extra = extra

    def verdict(self, image: np.ndarray) -> Verdict:
        return Verdict(self.name, "ok", value=1.0, scores={"extra": self._extra}, version=self.version)


class SaysTooLittle(Steady):
    def judge(
        self, images: np.ndarray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        verdicts = super().judge(images, prompts, metadata)
        return verdicts[:-1] if (images[:, 0, 0, 0] == BAD).any() else verdicts


class SaysNonsense(Steady):
    def judge(self, images: np.ndarray, prompts: Sequence[str], metadata: Any = None) -> list[Verdict]:
        return [0.0] * len(images)  # pyright: ignore[reportReturnType]


class Dies(Steady):
    def verdict(self, image: np.ndarray) -> Verdict:
        if image[0, 0, 0] == LETHAL:
            os._exit(1)
        return super().verdict(image)


class CannotLoad(Steady):
    def __init__(self, name: str, model: str | None, device: str) -> None:
        raise ValueError("these weights are not for me")
