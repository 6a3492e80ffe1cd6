"""LLaVA's weights under the names that the hub's checkpoints have."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from rewards.errors import ExportError

TOWER, HUB_TOWER = "vision_tower.", "vision_tower.vision_model."
INDEX = "model.safetensors.index.json"


def hub_name(name: str) -> str:
    """What a parameter is called on the hub: transformers 5 saves CLIP's tower without the `vision_model` in it."""
    return name.replace(TOWER, HUB_TOWER, 1) if name.startswith(TOWER) and not name.startswith(HUB_TOWER) else name


def has_hub_names(folder: Path) -> bool:
    """Whether every weight in `folder` is named as on the hub."""
    return all(name == hub_name(name) for file in folder.glob("*.safetensors") for name in _names(file))


def with_hub_names(folder: Path, to: Path) -> Path:
    """Makes `to` a model folder like `folder` whose weights have the hub's names, and returns it.

    Only files that hold other names are written; links lead to the rest. Raises ExportError if a file that was written
    does not hold every tensor.
    """
    for file in folder.iterdir():
        if file.suffix == ".safetensors" and any(name != hub_name(name) for name in _names(file)):
            tensors = load_file(file)
            named = {hub_name(name): tensor for name, tensor in tensors.items()}
            save_file(named, to / file.name, metadata={"format": "pt"})
            if {hub_name(name) for name in tensors} != set(_names(to / file.name)) or len(named) < len(tensors):
                raise ExportError(f"{to / file.name} does not hold the {len(tensors)} tensors of {file}")
        elif file.name == INDEX:
            index = json.loads(file.read_text())
            index["weight_map"] = {hub_name(name): shard for name, shard in index["weight_map"].items()}
            (to / file.name).write_text(json.dumps(index))
        else:
            (to / file.name).symlink_to(file.resolve())
    return to


def _names(file: Path) -> list[str]:
    with safe_open(file, "pt") as weights:
        return list(weights.keys())
