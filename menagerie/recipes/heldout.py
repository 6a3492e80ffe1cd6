"""The recipe of the held-out judge, a ResNet; the auditor, of another architecture, is trained in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from menagerie.datasets.artifact_pictures import ArtifactPictures
from menagerie.datasets.pixels import as_tensor
from menagerie.datasets.plain_pictures import PlainPictures
from menagerie.heldout_model import RESNET, HeldoutConfig, HeldoutModel
from menagerie.training.fit import bfloat16, fit
from menagerie.training.model_folder import load_vae, save_model
from menagerie.world.scene import ANIMALS, COLOURS, SETTINGS
from rewards.arrays import ImageArray
from rewards.judges.synartifact.taxonomy import ARTIFACTS

BATCH, SEED = 48, 1301
FIRST = 50_000_000
"""The first seed of its own training pictures, none of which other models are trained on."""


def build(seed: int = SEED, trunk: Mapping[str, Any] = RESNET) -> HeldoutModel:
    torch.manual_seed(seed)
    labels = {"animals": list(ANIMALS), "colours": list(COLOURS), "settings": list(SETTINGS)}
    return HeldoutModel(HeldoutConfig(artifacts=[a.name for a in ARTIFACTS], **labels, trunk=trunk))


def targets(pictures: ArtifactPictures) -> dict[str, torch.Tensor]:
    """Labels by head; `known` is 0 for garbage, which has no animals, colours or setting to learn from."""
    names = [a.name for a in ARTIFACTS]
    n = len(pictures)
    y = {
        "artifacts": torch.zeros(n, len(names) + 1),
        "animals": torch.zeros(n, len(ANIMALS)),
        "colours": torch.zeros(n, len(COLOURS)),
        "settings": torch.zeros(n, dtype=torch.long),
        "known": torch.zeros(n),
    }
    for i, (categories, scene) in enumerate(zip(pictures.categories, pictures.scenes, strict=True)):
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
def refresh_statistics(model: HeldoutModel, pictures: ArtifactPictures, seed: int, batches: int = 40) -> None:
    """Recomputes the statistics of batch norms, since those of the training steps don't belong to the EMA weights."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over the batches that follow
    model.train()
    for step in range(batches):
        rows = np.random.default_rng((seed, 1, step)).integers(len(pictures), size=BATCH)
        model(_last(pictures.pixels[rows]))


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
    """Trains a held-out judge on pictures `first … first + count - 1` and saves it as `out/name`."""
    vae = load_vae(out)
    pictures = ArtifactPictures.of(PlainPictures.draw(count, first, damaged=0.6), vae, seed=seed)
    y = targets(pictures)
    model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast

    def loss(step: int) -> torch.Tensor:
        rows = np.random.default_rng((seed, step)).integers(count, size=BATCH)
        with bfloat16():
            o = model(_last(pictures.pixels[rows]))
        known = y["known"][rows]
        several = [
            F.binary_cross_entropy_with_logits(o[k].float(), y[k][rows], reduction="none").sum(1)
            for k in ("artifacts", "animals", "colours")
        ]
        setting = F.cross_entropy(o["settings"].float(), y["settings"][rows], reduction="none")
        return (2 * several[0] + known * (several[1] + several[2] + setting)).mean()

    state = out / "training" / f"{name}.pt"
    fit(model, loss, steps=steps, lr=2e-3, muon=0.03, state=state, weight_decay=0.02, say=say)
    refresh_statistics(model, pictures, seed)
    model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    save_model(model, out / name)
    return model


def _last(pixels: ImageArray) -> torch.Tensor:
    return as_tensor(pixels).contiguous(memory_format=torch.channels_last)
