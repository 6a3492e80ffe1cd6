# pyright: strict
"""Shapes: the configs of known public models, by which they can be built without their weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.config.experiment import ExperimentConfig
from rewards.user_input.model_folder import read_json_object

SHAPES = Path(__file__).resolve().parents[2] / "configs" / "shapes"
"""ORG/NAME of the hub → a folder in `from_pretrained` layout with configs alone, and `published.json`: the published
numbers of parameters, the precision in which the hub stores them, and the tokens that text encoders read."""
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's folder of configs; `has_weights` where its weights lie beside them."""

    model: str
    folder: Path
    has_weights: bool

    @classmethod
    def of(cls, model: str) -> Shape | None:
        """Of a folder on disk, or of a hub name that is known in `configs/shapes`; None: nothing is known."""
        folder = Path(model)
        if folder.is_dir():
            return cls(model, folder, not folder.is_relative_to(SHAPES))
        known = SHAPES / model
        return cls(model, known, False) if (known / "published.json").is_file() else None

    def config(self, part: str = "") -> dict[str, Any]:
        """The config of a part; empty where it has none."""
        file = self.folder / part / "config.json"
        return dict(read_json_object(file)) if file.is_file() else {}

    @property
    def published(self) -> dict[str, Any]:
        """What `published.json` says; empty for a folder of a user's own."""
        file = self.folder / "published.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of a pipeline that have weights; ("",) of a single model."""
        index = self.folder / "model_index.json"
        if not index.is_file():
            return ("",)
        entries = read_json_object(index)
        return tuple(part for part in entries if (self.folder / part / "config.json").is_file())


def shaped(config: ExperimentConfig) -> ExperimentConfig:
    """`config` with the policy's folder of shapes in the place of its hub name, so that all that reads a pipeline's
    configs alone knows it without a download."""
    shape = Shape.of(config.policy.model)
    if shape is None:
        return config
    return config.model_copy(update={"policy": config.policy.model_copy(update={"model": str(shape.folder)})})
