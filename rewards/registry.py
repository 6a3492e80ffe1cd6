# pyright: strict
"""The kinds of judges: found in `rewards/judges`, chosen by `kind`, built from their settings."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import operator
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, TypeAdapter, ValidationError, model_validator

import rewards.judges
from rewards.errors import last_line
from rewards.judge import Judge
from rewards.judges.function_judge import FunctionJudge
from rewards.settings.judge import JudgeConfig, ModelConfig
from rewards.settings.requirements import ModelSource
from rewards.settings.section import Anything, ModelName


def _find_judges() -> dict[str, type[Judge]]:
    """Every Judge with a Config in the modules of `rewards/judges`, by the kind that its Config names.

    Reading a config imports these modules, so they import torch and its like inside methods only.
    """
    names = sorted(found.name for found in pkgutil.walk_packages(rewards.judges.__path__, "rewards.judges."))
    modules = [importlib.import_module(name) for name in names]
    classes = [item for module in modules for item in vars(module).values() if _is_judge(item, module.__name__)]
    by_kind: dict[str, type[Judge]] = {cls.Config.model_fields["kind"].default: cls for cls in classes}
    return dict(sorted(by_kind.items()))


def _is_judge(item: object, module: str) -> bool:
    return isinstance(item, type) and issubclass(item, Judge) and item.__module__ == module and "Config" in vars(item)


JUDGES = _find_judges()
"""Kind → class, for every kind of Salon's own."""


class OwnConfig(JudgeConfig):
    """A judge of a user's own: `kind: package.module:Class`, or a plain function by its path."""

    model: ModelName | None = None
    """handed to the class as it is"""
    options: dict[str, Anything] = Field(default_factory=dict)
    """keyword arguments for the class"""

    @model_validator(mode="after")
    def _path(self) -> Self:
        if not re.fullmatch(r"[\w.]+:\w+", self.kind):
            close = difflib.get_close_matches(self.kind, JUDGES, n=1)
            hint = f"did you mean {close[0]}? There are" if close else "there are"
            known = ", ".join(sorted(JUDGES))
            raise ValueError(f"no judge is of kind {self.kind!r}; {hint} {known}, or package.module:Class")
        return self

    def models(self) -> dict[str, ModelSource]:
        return {} if self.model is None else {"model": ModelSource(self.model)}

    @property
    def import_path(self) -> str:
        return self.kind


OWN = "own"


def _kind(value: Any) -> str:
    kind: object = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return kind if isinstance(kind, str) and kind in JUDGES else OWN


if TYPE_CHECKING:
    AnyJudge = JudgeConfig
else:
    _TAGGED = [*((kind, cls.Config) for kind, cls in JUDGES.items()), (OWN, OwnConfig)]
    AnyJudge = Annotated[
        functools.reduce(operator.or_, [Annotated[config, Tag(kind)] for kind, config in _TAGGED]),
        Discriminator(_kind),
    ]
    """One judge of any kind; `kind` says which."""

_ANY: TypeAdapter[Any] = TypeAdapter(AnyJudge)


def judge_config(kind: str, **settings: Any) -> JudgeConfig:
    """The settings of one judge, read as from the YAML."""
    return _ANY.validate_python({"kind": kind, **settings})


def build_judge(name: str, config: JudgeConfig) -> Judge:
    """The judge that `config` describes, loaded and frozen.

    A judge of your own is a class ("package.module:Class", see `_own_judge`) or a plain function
    ("package.module:function", see FunctionJudge). Raises ValueError for a path that leads to neither, and for options
    that it does not take.
    """
    if isinstance(config, OwnConfig):
        return _own_judge(name, config)
    if isinstance(config, ModelConfig):
        _check_model(name, config.model)
    return _made(JUDGES[config.kind], name, config, torch_device(config))


def settings_of(name: str, config: JudgeConfig) -> JudgeConfig:
    """The settings that the judge is built from: `config`, or the Config of a class of a user's own that has one.

    Imports such a class. Raises ValueError as `build_judge` does, but for what only the class itself can say.
    """
    if not isinstance(config, OwnConfig):
        return config
    found = _own_class(name, config)
    return _own_settings(name, found.Config, config) if hasattr(found, "Config") else config


def _own_class(name: str, config: OwnConfig) -> Any:
    """The class or function that `kind` leads to."""
    module, _, attribute = config.kind.partition(":")
    try:
        found: object = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a module of a user's own may raise anything
        why = f"{type(error).__name__}: {last_line(error)}"
        raise ValueError(f"rewards.judges.{name}.kind: cannot import {config.kind!r} ({why})") from error
    if not inspect.isfunction(found) and not (isinstance(found, type) and issubclass(found, Judge)):
        raise ValueError(f"rewards.judges.{name}.kind: {config.kind!r} is not a rewards.judge.Judge, nor a function")
    return found


def _own_judge(name: str, config: OwnConfig) -> Judge:
    """`Class(name, config, device)` of a class with a Config, by which `model` and `options` are read;
    `Class(name, model, device, **options)` of one without."""
    found = _own_class(name, config)
    if inspect.isfunction(found):
        return _function_judge(name, found, config)
    if hasattr(found, "Config"):
        return _made(found, name, _own_settings(name, found.Config, config), torch_device(config))
    try:
        return _made(found, name, config.model, torch_device(config), **config.options)
    except TypeError as error:
        raise ValueError(
            f"rewards.judges.{name}.options: {config.kind} does not take them ({last_line(error)})"
        ) from error


def _own_settings(name: str, schema: type[JudgeConfig], config: OwnConfig) -> JudgeConfig:
    keys = {key: getattr(config, key) for key in config.model_fields_set - {"options"}}
    try:
        return schema.model_validate({**config.options, **keys})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        where = key if key in OwnConfig.model_fields else f"options.{key}"
        raise ValueError(f"rewards.judges.{name}.{where}: {first['msg']}") from None


def _function_judge(name: str, function: Any, config: OwnConfig) -> Judge:
    if config.model is not None:
        raise ValueError(f"rewards.judges.{name}.model: a function has no model; give it a path under options")
    try:
        return FunctionJudge(name, function, config.options)
    except ValueError as error:
        raise ValueError(f"rewards.judges.{name}.kind: {error}") from None


def _made(cls: Any, *arguments: Any, **options: Any) -> Judge:
    return cls(*arguments, **options)


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
