"""The recipe of the held-out judge, a ResNet; the auditor's, of another architecture, is the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from menagerie.datasets.album import Album
from menagerie.datasets.artifact_pictures import Exhibits
from menagerie.datasets.pixels import as_tensor
from menagerie.heldout_model import RESNET, HeldoutConfig, HeldoutModel
from menagerie.training.fit import bfloat16, fit
from menagerie.training.model_folder import load_vae, ship
from menagerie.world.scene import ANIMALS, COLOURS, SETTINGS
from rewards.judges.synartifact.taxonomy import ARTIFACTS

BATCH, SEED = 48, 1301
FIRST = 50_000_000
"""Its own pictures: no seed of the other models' albums is among them."""


def build(seed: int = SEED, trunk: Mapping[str, Any] = RESNET) -> HeldoutModel:
    torch.manual_seed(seed)
    labels = {"animals": list(ANIMALS), "colours": list(COLOURS), "settings": list(SETTINGS)}
    return HeldoutModel(HeldoutConfig(artifacts=[a.name for a in ARTIFACTS], **labels, trunk=trunk))


def targets(exhibits: Exhibits) -> dict[str, torch.Tensor]:
    """Zero-one labels by head; `known` is 0 for garbage, whose animals, colours and setting count for nothing."""
    names = [a.name for a in ARTIFACTS]
    n = len(exhibits)
    y = {
        "artifacts": torch.zeros(n, len(names) + 1),
        "animals": torch.zeros(n, len(ANIMALS)),
        "colours": torch.zeros(n, len(COLOURS)),
        "settings": torch.zeros(n, dtype=torch.long),
        "known": torch.zeros(n),
    }
    for i, (categories, scene) in enumerate(zip(exhibits.categories, exhibits.scenes, strict=True)):
        for category in categories:
            y["artifacts"][i, names.index(category)] = 1
        if scene is None:
            y["artifacts"][i, -1] = 1
            continue
        y["known"][i] = 1
        y["settings"][i] = list(SETTINGS).index(scene.setting)
        for creature in scene.creatures:
            y["animals"][i, ANIMALS.index(creature.species)] = 1
            y["colours"][i, list(COLOURS).index(creature.colour)] = 1
    return y


@torch.no_grad()
def refresh_statistics(model: HeldoutModel, exhibits: Exhibits, seed: int, batches: int = 40) -> None:
    """Measures the batch norms' statistics anew: those of the last steps do not belong to the averaged weights."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over what follows
    model.train()
    for step in range(batches):
        rows = np.random.default_rng((seed, 1, step)).integers(len(exhibits), size=BATCH)
        model(_last(exhibits.pixels[rows]))


def train(out: Path, steps: int = 3500, count: int = 40_000, say: Callable[[str], None] = print) -> HeldoutModel:
    return fit_heldout(build(), out, "heldout", FIRST, SEED, steps, count, say)


def fit_heldout(
    model: HeldoutModel,
    out: Path,
    name: str,
    first: int,
    seed: int,
    steps: int,
    count: int,
    say: Callable[[str], None],
) -> HeldoutModel:
    """Trains a held-out judge on pictures `first … first + count - 1` and ships it as `out/name`."""
    vae = load_vae(out)
    exhibits = Exhibits.of(Album.drawn(count, first, damaged=0.6), vae, seed=seed)
    y = targets(exhibits)
    model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast

    def loss(step: int) -> torch.Tensor:
        rows = np.random.default_rng((seed, step)).integers(count, size=BATCH)
        with bfloat16():
            o = model(_last(exhibits.pixels[rows]))
        known = y["known"][rows]
        several = [
            F.binary_cross_entropy_with_logits(o[k].float(), y[k][rows], reduction="none").sum(1)
            for k in ("artifacts", "animals", "colours")
        ]
        setting = F.cross_entropy(o["settings"].float(), y["settings"][rows], reduction="none")
        return (2 * several[0] + known * (several[1] + several[2] + setting)).mean()

    state = out / "training" / f"{name}.pt"
    fit(model, loss, steps=steps, lr=2e-3, muon=0.03, state=state, weight_decay=0.02, say=say)
    refresh_statistics(model, exhibits, seed)
    model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    ship(model, out / name)
    return model


def _last(pixels: np.ndarray) -> torch.Tensor:
    return as_tensor(pixels).contiguous(memory_format=torch.channels_last)
