"""`salon menagerie train NAME`: trains one of the small models by its recipe."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from menagerie.training.model_folder import MODELS

RECIPES = (
    "autoencoder", "clip", "policy", "flow", "artifact", "heldout", "auditor",
    "aesthetic", "writer", "vqa", "detector", "rich",
)  # fmt: skip
"""The recipes, each after those whose models it builds on."""


def train(name: str, out: Path | None = None, steps: int | None = None, say: Callable[[str], None] = print) -> Path:
    """Trains the model `name` and saves it in `out` (default: over the shipped models); returns `out`.

    A training that was interrupted is resumed from `out/training`; one that has ended starts from the beginning. Raises
    ValueError for a name that is no recipe, and FileNotFoundError if a model that it builds on is not in `out`.
    """
    if name not in RECIPES:
        raise ValueError(f"there is no recipe {name!r}; the recipes are {', '.join(RECIPES)}")
    out = out or MODELS
    recipe: Any = importlib.import_module(f"menagerie.recipes.{name}")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    settings = {} if steps is None else {"steps": steps}
    recipe.train(out, say=lambda line: say(f"{name}: {line}"), **settings)
    for left in (out / "training").glob(f"{name}*"):  # or the next training would resume from the end of this one
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    return out
