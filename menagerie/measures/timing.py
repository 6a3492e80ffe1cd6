"""The time that a recipe takes, extrapolated from a few of its steps."""

from __future__ import annotations

import importlib
import inspect
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

FEW, MORE = 13, 26
"""Steps of two short trainings, whose difference in time gives that of a step. Several stages share these steps."""
DRAWN, MANY = 100, 600
"""Pictures of both trainings; two more, of one step, with so few and so many pictures give the time of a picture."""


@dataclass(frozen=True, slots=True)
class RecipeTiming:
    """Processor seconds of one step and of one training picture (or text), and the numbers of both."""

    step: float
    picture: float
    steps: int
    pictures: int

    @classmethod
    def measure(cls, name: str, out: Path) -> RecipeTiming:
        """Measures short trainings of recipe `name` on copies of the models in `out`.

        Processor time, unlike wall-clock time, hardly depends on the load of the machine. It is measured on one thread,
        since on a busy machine the processor time of several threads includes their busy waiting for each other.
        """
        recipe: Any = importlib.import_module(f"menagerie.recipes.{name}")
        whole, threads = inspect.signature(recipe.train).parameters, torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            _seconds(recipe, out, 1, DRAWN)  # the first one includes imports and caches
            few, many = (_seconds(recipe, out, 1, count) for count in (DRAWN, MANY))
            short, longer = (_seconds(recipe, out, steps, DRAWN) for steps in (FEW, MORE))
        finally:
            torch.set_num_threads(threads)
        return cls(
            max(0.0, longer - short) / (MORE - FEW),
            max(0.0, many - few) / (MANY - DRAWN),
            whole["steps"].default,
            whole["count"].default,
        )

    @property
    def minutes(self) -> float:
        """Processor minutes of the whole recipe."""
        return (self.steps * self.step + self.pictures * self.picture) / 60


def _seconds(recipe: Any, out: Path, steps: int, count: int) -> float:
    with TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        shutil.copytree(out, models, symlinks=True, ignore=shutil.ignore_patterns("training"))
        start = time.process_time()
        recipe.train(models, steps=steps, count=count, say=lambda _: None)
        return time.process_time() - start
