# pyright: strict
"""One picture's reward in words: which values it is the sum of, and which weights stand for judges without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rewards.config import RewardsConfig
from rewards.panel.composition import Composition
from rewards.panel.panel import Panel
from rewards.verdict import Verdict


def reward_in_words(config: RewardsConfig, verdicts: Mapping[str, Verdict], metadata: Mapping[str, Any]) -> str:
    """How the reward of one picture came about.

    "1 × 0.8130 (clip) + 0.5 × 0.2000 (size)": weights and values, as `normalise` and `clip` leave them. Where judges
    have no value, their weight goes to the others, by a factor before the sum. For a picture without a reward, why.
    """
    result = Panel(config.never_stopping()).score({name: [one] for name, one in verdicts.items()}, 1, metadata)
    if not result.scored[0]:
        missing = [name for name in config.judges if name not in verdicts and config.judges[name].role != "audit"]
        return "; ".join([f"{name}: not asked" for name in missing] or result.reasons)
    composition = Composition(config)
    values, weights = composition.plain(result.scores)[:, 0], composition.weights
    present = np.isfinite(values)
    terms = " + ".join(
        f"{weight:g} × {value:.4f} ({name})"
        for name, weight, value, here in zip(composition.judges, weights, values, present, strict=True)
        if here
    )
    absent = [name for name, here in zip(composition.judges, present, strict=True) if not here]
    if absent:
        factor = weights.sum() / max(float(weights[present].sum()), float(weights.min()))
        terms = f"{factor:.4g} × ({terms}), as {', '.join(absent)} gave no value"
    gates = result.gated
    if np.isfinite(gates.fixed[0]):
        return f"{gates.fixed[0]:g}, by a gate, in place of {terms}"
    return f"{terms} - {gates.penalty[0]:g} (gates)" if gates.penalty[0] else terms
