# pyright: strict
"""One part's measurement: what was done how often in which time, and its peak memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Measurement:
    """A `part`'s speed: `count` units of work in `seconds`, after a warm-up.

    pictures  pictures of a run that so many units stand for
    memory    peak bytes: of tensors on a GPU; on a CPU of the whole process, libraries included
    note      what a reader must know of it
    """

    part: str
    unit: str
    count: int
    pictures: float
    seconds: float
    memory: int
    note: str = ""

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.count / self.seconds

    @property
    def pictures_a_second(self) -> float:
        """Pictures of the run a second."""
        return self.pictures / self.seconds


def repeated(work: Callable[[], Any], device: str, at_least_s: float) -> tuple[int, float]:
    """Does `work` once to warm up, then again and again for `at_least_s`: how often, and the seconds that took."""
    work()
    _settled(device)
    times, start = 0, time.perf_counter()
    while True:
        work()
        _settled(device)
        times += 1
        if (took := time.perf_counter() - start) >= at_least_s:
            return times, took


def peak_memory(device: str) -> int:
    """The most bytes that this process has held so far on `device`."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
    import torch

    return torch.cuda.max_memory_allocated()


def _settled(device: str) -> None:
    """What was launched on a GPU is done."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize()
