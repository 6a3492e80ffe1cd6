# pyright: strict
"""What the judges of a configuration declare, without loading any model: sub-scores, heatmaps, role."""

from __future__ import annotations

import importlib

from rewards.judge import Judge, SubScores
from rewards.registry import JUDGES
from rewards.settings.judge import JudgeConfig


def declared_sub_scores(kind: object) -> SubScores:
    """What the judges of a `kind`, as a run's YAML names it, declare of their sub-scores.

    Empty for a function, and for a class of a user's own ("package.module:Class") that cannot be imported here: a run
    can be looked at where its judges are not installed.
    """
    if not isinstance(kind, str):
        return {}
    if kind in JUDGES:
        return JUDGES[kind].sub_scores
    module, _, name = kind.partition(":")
    if not name:
        return {}
    try:
        found: object = getattr(importlib.import_module(module), name)
    except Exception:  # a module of a user's own may raise anything
        return {}
    return found.sub_scores if isinstance(found, type) and issubclass(found, Judge) else {}


def declared_heatmaps(kind: str) -> tuple[str, ...]:
    """The heatmaps in the verdicts of a `kind` of Salon's own judges; none for any other."""
    return JUDGES[kind].heatmaps if kind in JUDGES else ()


def default_role(kind: object) -> str:
    """The role of a judge of this `kind` whose YAML names none."""
    config = JUDGES[kind].Config if isinstance(kind, str) and kind in JUDGES else JudgeConfig
    return str(config.model_fields["role"].default)
