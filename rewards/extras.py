# pyright: strict
"""Packages that only some judges need, and that Salon does not install by itself."""

from __future__ import annotations

import importlib
from typing import Any


def import_extra(module: str, extra: str) -> Any:
    """The module, from a package that the extra `salon[EXTRA]` brings. Raises ValueError, saying what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        # Of an absent package, Python names the part of the path that it looked for first.
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise ValueError(missing(str(error.name), extra)) from error
        advice = ""
        if "libGL" in str(error):
            advice = "; on a machine without a display, install the system's libGL (apt-get install libgl1)"
        raise ValueError(f"the package {module} is installed but cannot be loaded: {error}{advice}") from error


def missing(module: str, extra: str) -> str:
    """The message for a user whose judge needs a package that is not installed."""
    licence = " (its licence is AGPL-3.0)" if extra == "yoloworld" else ""
    return f"needs the package {module}{licence}; install it with: pip install 'salon[{extra}]'"
