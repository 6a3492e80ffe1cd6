"""How the small models are written: safetensors in half precision, which halves what every clone downloads."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch


def ship(model: Any, folder: Path) -> None:
    """Writes `model` (anything with `save_pretrained` and `to`) into `folder` with its weights in float16.

    `model` itself keeps its precision. Everybody who loads it asks for float32 by name: what is measured and what runs
    are the rounded weights.
    """
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
