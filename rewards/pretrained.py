"""Pretrained models: loaded frozen, as every judge needs them, and without the chatter of their libraries."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_at_random: ContextVar[bool] = ContextVar("at_random", default=False)


@contextmanager
def random_weights() -> Generator[None]:
    """Context manager: models are made from a folder's config alone, with random weights, to measure what they cost."""
    token = _at_random.set(True)
    try:
        yield
    finally:
        _at_random.reset(token)


def load_frozen(model_class: Any, model: str, device: str, dtype: str = "float32", **options: Any) -> Any:
    """`model_class` from a folder or hub name, for inference only.

    Raises ValueError when the checkpoint lacks weights of that class, which transformers would make up at random.
    Typed Any, because transformers' own annotations of from_pretrained don't type-check.
    """
    import torch

    if _at_random.get():
        with torch.device(device):
            config = model_class.config_class.from_pretrained(model)
            return model_class._from_config(config, dtype=getattr(torch, dtype)).eval().requires_grad_(False)
    loaded, info = model_class.from_pretrained(model, dtype=getattr(torch, dtype), output_loading_info=True, **options)
    if missing := sorted(info["missing_keys"]):
        raise ValueError(
            f"{model} is no {model_class.__name__}: it has no weights for {missing[0]} and {len(missing) - 1} others; "
            "give a model of that class"
        )
    return loaded.eval().requires_grad_(False).to(device)


def load_picture_processor(model: str) -> Any:
    """The image processor of a folder or hub name: the PIL one whatever is installed, because torchvision's resizes to
    other pixels, and so to other verdicts."""
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(model, backend="pil")


def commit_of(model: Any) -> str | None:
    """The commit of a model that came from the hub, for the judge's version."""
    return getattr(model.config, "_commit_hash", None)


def quiet_transformers() -> None:
    """Stops progress bars, tables of what was loaded and advice of transformers; errors still come through."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def quiet_libraries() -> None:
    """The same for transformers and diffusers. Call before loading."""
    # In this order: importing diffusers makes transformers give advice about packages that are not needed.
    quiet_transformers()

    from diffusers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
