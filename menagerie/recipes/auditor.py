"""The recipe of the auditor, the second held-out judge: a RegNet with squeeze-and-excitation.

The first held-out judge watches a run; this one can check its result afterwards. It differs in architecture, seed and
training pictures, so that what both find in a policy's pictures is not an accident of one model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from menagerie.heldout_model import HeldoutModel
from menagerie.recipes.heldout import build, fit_heldout

SEED = 2402
FIRST = 80_000_000
REGNET = {
    "model_type": "regnet",
    "layer_type": "y",
    "embedding_size": 32,
    "hidden_sizes": [32, 64, 128, 192],
    "depths": [1, 2, 4, 1],
    "groups_width": 16,
}


def train(out: Path, steps: int = 4000, count: int = 40_000, say: Callable[[str], None] = print) -> HeldoutModel:
    return fit_heldout(build(SEED, REGNET), out, "auditor", FIRST, SEED, steps, count, say)
