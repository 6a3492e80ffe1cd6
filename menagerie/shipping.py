"""How the small models are written: safetensors in half precision, which halves what every clone downloads."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch


def ship(model: Any, folder: Path) -> None:
    """Writes `model` (anything with `save_pretrained` and `to`) into `folder` with its weights in float16.

    `model` itself keeps its precision. Everybody who loads it asks for float32 by name: what is measured and what runs
    are the rounded weights. The path that a model was loaded from, which diffusers would record, stays here.
    """
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
    settings = folder / "config.json"
    config = json.loads(settings.read_text())
    config.pop("_name_or_path", None)
    settings.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
