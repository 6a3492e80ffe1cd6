"""The folders of the small models: how models are saved, and found by the recipes that build on them.

Weights are saved as safetensors in half precision, which halves the size of a clone.
"""

from __future__ import annotations

import copy
import json
import shlex
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny

from rewards.errors import ExportError

MODELS = Path(__file__).parents[1] / "models"
"""The shipped models."""


def save_model(model: Any, folder: Path, **settings: str) -> None:
    """Saves `model` (anything with `save_pretrained` and `to`) to `folder` with its weights in float16.

    `model` itself keeps its precision. Whoever loads the folder asks for float32, so that cards and jobs use the same
    rounded weights. The path that the model was loaded from, which diffusers puts into the config, is removed.
    `settings` override the config: `dtype="float32"` makes that the default of transformers when it loads the model.
    Raises ExportError if the folder is not read back as it was written.
    """
    half = copy.deepcopy(model).to(torch.float16)
    half.save_pretrained(folder)
    read = type(model).from_pretrained(folder).state_dict()
    for name, tensor in half.state_dict().items():
        if not torch.equal(tensor.float().cpu(), read[name].float().cpu()):
            raise ExportError(f"{folder}: {name} is not read back as it was written")
    file = folder / "config.json"
    config = json.loads(file.read_text()) | settings
    config.pop("_name_or_path", None)
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def holds_model(folder: Path) -> bool:
    """Whether `folder` itself holds a model or a pipeline, and not only subfolders that do."""
    return any((folder / index).is_file() for index in ("config.json", "model_index.json"))


def require_model(out: Path, name: str) -> Path:
    """The folder of the model `name` in `out`; raises FileNotFoundError if it does not exist."""
    folder = out / name
    if not holds_model(folder):
        raise FileNotFoundError(f"there is no {name} in {out}; {train_hint(name, out)}")
    return folder


def train_hint(name: str, out: Path) -> str:
    """The command that makes the missing model `name` in `out`."""
    where = " --shipped" if out.resolve() == MODELS.resolve() else f" --out {shlex.quote(str(out))}"
    return f"run `salon menagerie train {name}{where}` first"


def load_vae(out: Path) -> AutoencoderTiny:
    """The policy's autoencoder, which may be in the policy's folder before there is a policy."""
    folder = out / "policy" / "vae"
    if not folder.is_dir():
        raise FileNotFoundError(f"no autoencoder in {out}; {train_hint('autoencoder', out)}")
    vae = AutoencoderTiny.from_pretrained(folder, torch_dtype=torch.float32).eval().requires_grad_(False)
    return vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
