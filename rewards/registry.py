# pyright: strict
"""From a judge's configuration to the judge."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from rewards.judge import Judge
from rewards.judges.function_judge import FunctionJudge
from rewards.last_line import last_line
from rewards.settings.kinds import JudgeConfig, ModelConfig, OwnConfig


def build_judge(name: str, config: JudgeConfig) -> Judge:
    """The judge that `config` describes, loaded and frozen.

    A judge of your own is a class ("package.module:Class", called as `Class(name, model, device, **options)`) or a
    plain function ("package.module:function", see FunctionJudge). Raises ValueError for a path that leads to neither,
    and for options that it does not take.
    """
    path = config.implementation or config.kind
    module, _, attribute = path.partition(":")
    try:
        cls: object = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a module of a user's own may raise anything
        why = f"{type(error).__name__}: {last_line(error)}"
        raise ValueError(f"rewards.judges.{name}.kind: cannot import {path!r} ({why})") from error
    if inspect.isfunction(cls) and isinstance(config, OwnConfig):
        return _function_judge(name, cls, config)
    if not (isinstance(cls, type) and issubclass(cls, Judge)):
        raise ValueError(f"rewards.judges.{name}.kind: {path!r} is not a rewards.judge.Judge, nor a function")
    make: Any = cls
    if isinstance(config, OwnConfig):
        try:
            return make(name, config.model, torch_device(config), **config.settings())
        except TypeError as error:
            raise ValueError(
                f"rewards.judges.{name}.options: {path} does not take them ({last_line(error)})"
            ) from error
    if isinstance(config, ModelConfig):
        _check_model(name, config.model)
        return make(name, config.model, torch_device(config), **config.settings())
    return make(name, **config.settings())


def _function_judge(name: str, function: Any, config: OwnConfig) -> Judge:
    if config.model is not None:
        raise ValueError(f"rewards.judges.{name}.model: a function has no model; give it a path under options")
    try:
        return FunctionJudge(name, function, config.settings())
    except ValueError as error:
        raise ValueError(f"rewards.judges.{name}.kind: {error}") from None


def torch_device(config: JudgeConfig) -> str:
    """The device that a judge's model goes to. A GPU nobody asked Ray for belongs to another process."""
    if config.device != "auto":
        return config.device
    if config.serve.num_gpus == 0:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _check_model(name: str, model: str) -> None:
    """Refuses a path that is no folder, which from_pretrained would look for on the hub."""
    looks_like_path = model.startswith((".", "/", "~")) or model.count("/") != 1
    if not Path(model).is_dir() and looks_like_path:
        raise ValueError(f"rewards.judges.{name}.model: no folder {model!r}; give a from_pretrained folder or hub name")
