"""Models of known shapes with random weights, on any device, `meta` included, where they take no memory."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import torch

from actors.config import PolicyConfig
from actors.diffusion.pipelines.registry import kind_of, stored_scheduler
from actors.diffusion.policy import Policy
from cluster.sizing.shapes import Shape
from menagerie.training.tokenizers import clip_tokenizer
from rewards.user_input.model_folder import read_json_object, stored_tensors


def random_module(shape: Shape, part: str, device: torch.device | str, dtype: str = "float32") -> torch.nn.Module:
    """The module that the config of a part describes, initialised at random, for inference.

    Raises ValueError for a config that names no class of diffusers or transformers."""
    config = shape.config(part)
    with _new_tensors(device, dtype):
        if "_class_name" in config:
            import diffusers

            module = cast(Any, getattr(diffusers, config["_class_name"])).from_config(config)
        elif config.get("architectures"):
            import transformers

            cls: Any = getattr(transformers, config["architectures"][0], None)
            if cls is None:
                raise ValueError(f"{shape.model}: transformers has no class {config['architectures'][0]}")
            module = cls._from_config(cls.config_class.from_dict(config))
        else:
            raise ValueError(f"{shape.model}: config.json names no class to build")
    # Tables that a class computes in float32 whatever it is told.
    return module.to(getattr(torch, dtype)).eval().requires_grad_(False)


def random_policy(config: PolicyConfig, shape: Shape, seed: int = 0, device: torch.device | str = "cpu") -> Policy:
    """`Policy.load` of a shape: the pipeline's own classes, random weights, and tokenizers that know a few words."""
    index = read_json_object(shape.folder / "model_index.json")
    import diffusers

    limits = shape.published.get("max_length", {})
    parts: dict[str, Any] = {}
    for name, entry in index.items():
        if not isinstance(entry, list):
            continue
        if not any(entry):
            parts[name] = None
        elif name == "scheduler":
            schedule = read_json_object(shape.folder / "scheduler" / "scheduler_config.json")
            parts[name] = getattr(diffusers, stored_scheduler(str(shape.folder))).from_config(schedule)
        elif name.startswith("tokenizer"):
            parts[name] = _tokenizer(shape, name, entry[-1], limits.get(name, 77))
        else:
            parts[name] = random_module(shape, name, device, config.dtype)
    flags = {k: v for k, v in index.items() if not isinstance(v, list) and not k.startswith("_")}
    pipe = cast(Any, getattr(diffusers, index["_class_name"]))(**parts, **flags)
    pipe.set_progress_bar_config(disable=True)
    return Policy(kind_of(str(shape.folder))(pipe, config.pixels), config, seed, device)


def parameters(shape: Shape, part: str = "") -> int:
    """How many numbers a part is stored as: by the headers of its weights, else by its module built on `meta`."""
    weights = sorted((shape.folder / part).glob("*.safetensors")) if shape.has_weights else []
    if weights:
        return sum(math.prod(tensor.shape) for file in weights for tensor in stored_tensors(file))
    return _stored_numbers(random_module(shape, part, "meta"))


def _stored_numbers(module: torch.nn.Module) -> int:
    """The numbers that are stored of a module: its parameters, each once, and the tables that are saved with them."""
    saved = module.state_dict(keep_vars=True)
    return sum({id(tensor): tensor.numel() for tensor in saved.values()}.values())


def _tokenizer(shape: Shape, part: str, kind: str, limit: int) -> Any:
    """The folder's own, or one that knows a few words and splits others into letters, or takes them for unknown."""
    from transformers import AutoTokenizer, T5Tokenizer

    if (shape.folder / part).is_dir():
        return cast(Any, AutoTokenizer).from_pretrained(shape.folder, subfolder=part)
    if "T5" not in kind:
        return clip_tokenizer(limit)
    return T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁a", -1.0), ("▁cat", -2.0)])


@contextmanager
def _new_tensors(device: torch.device | str, dtype: str) -> Generator[None]:
    """Context manager: tensors are made on `device`, floating ones in `dtype`, as modules make their weights."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)
