"""How long a recipe takes, from a few of its steps."""

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
"""Steps of the two trainings whose difference is what a step takes; recipes of several stages share them out."""
DRAWN, MANY = 100, 600
"""Pictures of both; two trainings of one step with so few and so many say what a picture takes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Processor seconds of one step and of one picture (or text) to train on, and how many there are of each."""

    step: float
    picture: float
    steps: int
    pictures: int

    @classmethod
    def of(cls, name: str, out: Path) -> Pace:
        """Trains copies of the models in `out` by recipe `name`, for a moment and on one thread. Its processor time,
        unlike the time on a clock, hardly depends on what else the machine does; threads that wait for each other on a
        busy machine would be counted as if they worked."""
        recipe: Any = importlib.import_module(f"menagerie.recipes.{name}")
        whole, threads = inspect.signature(recipe.train).parameters, torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            _seconds(recipe, out, 1, DRAWN)  # the first pays for what is imported and made once
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
        """Processor minutes of the whole recipe; two idle cores take half as long at best."""
        return (self.steps * self.step + self.pictures * self.picture) / 60


def _seconds(recipe: Any, out: Path, steps: int, count: int) -> float:
    with TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        shutil.copytree(out, models, symlinks=True, ignore=shutil.ignore_patterns("training"))
        start = time.process_time()
        recipe.train(models, steps=steps, count=count, say=lambda _: None)
        return time.process_time() - start
