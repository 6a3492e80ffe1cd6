"""What must be there before a judge can load: models and optional packages.

A judge's Config says it, preflight looks for it, and loading relies on it.
"""

from __future__ import annotations

from typing import NamedTuple


class ModelSource(NamedTuple):
    """Where a judge's model comes from."""

    source: str
    """a folder, or a hub name"""
    file: str | None = None
    """the file that must lie in such a folder; None where only the judge's own class knows"""
    converted: bool = False
    """whether its user makes the folder of a public file, so that it is never a hub name"""
    types: tuple[str, ...] = ()
    """what `model_type` its config.json may name; empty: any"""


class Extra(NamedTuple):
    """A module that Salon does not install by itself."""

    module: str
    extra: str
    """which `pip install 'salon[EXTRA]'` brings it"""
