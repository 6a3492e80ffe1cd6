"""How the small models are written, and found by those that build on them.

They are safetensors in half precision, which halves what every clone downloads.
"""

from __future__ import annotations

import copy
import json
import shlex
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny

MODELS = Path(__file__).parents[1] / "models"
"""The shipped models."""


def ship(model: Any, folder: Path, **settings: str) -> None:
    """Writes `model` (anything with `save_pretrained` and `to`) into `folder` with its weights in float16.

    `model` itself keeps its precision. Everybody who loads it asks for float32 by name: what is measured and what runs
    are the rounded weights. The path that a model was loaded from, which diffusers would record, stays here.
    `settings` replace the config's: a model of transformers whose config says `dtype="float32"` is loaded so by those,
    too, who name none.
    """
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
    file = folder / "config.json"
    config = json.loads(file.read_text()) | settings
    config.pop("_name_or_path", None)
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def made(folder: Path) -> bool:
    """Whether a model or a pipeline was written into `folder`, and not only what lies in folders of its own there."""
    return any((folder / index).is_file() for index in ("config.json", "model_index.json"))


def needed(out: Path, name: str) -> Path:
    """The folder of the model `name` in `out`; raises FileNotFoundError if it has not been made."""
    folder = out / name
    if not made(folder):
        raise FileNotFoundError(f"there is no {name} in {out}; {run_first(name, out)}")
    return folder


def run_first(name: str, out: Path) -> str:
    """What to do where the model `name` is missing in `out`; without `--out`, it would be made over the shipped one."""
    where = "" if out.resolve() == MODELS.resolve() else f" --out {shlex.quote(str(out))}"
    return f"run `salon menagerie train {name}{where}` first"


def load_vae(out: Path) -> AutoencoderTiny:
    """The autoencoder, which lies in the policy's folder even before there is a policy."""
    folder = out / "policy" / "vae"
    if not folder.is_dir():
        raise FileNotFoundError(f"no autoencoder in {out}; {run_first('autoencoder', out)}")
    vae = AutoencoderTiny.from_pretrained(folder, torch_dtype=torch.float32).eval().requires_grad_(False)
    return vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
