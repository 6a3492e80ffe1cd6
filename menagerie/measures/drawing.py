"""Measures of what draws: the autoencoder and the policies."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from menagerie.album import HELD_OUT, Album
from menagerie.exhibits import decode, encode, load_vae
from menagerie.measures.weakest import Figures, weakest
from menagerie.policy import DAMAGED


def autoencoder(out: Path, count: int) -> Figures:
    """Reconstruction of held-out drawings; errors in units of the pixel range 0..1."""
    vae, album = load_vae(out), Album.drawn(count, HELD_OUT, damaged=0.5)
    error = np.abs(decode(vae, encode(vae, album.pixels)).astype(float) - album.pixels) / 255
    noise = -10 * np.log10((error**2).mean((1, 2, 3)))
    by_setting = defaultdict[str, list[float]](list)
    for value, scene in zip(noise.tolist(), album.scenes, strict=True):
        by_setting[scene.setting].append(value)
    return {
        "mean absolute error": float(error.mean()),
        "PSNR (dB)": float(-10 * np.log10((error**2).mean())),
        **weakest("PSNR of pictures set in", by_setting),
    }


@torch.inference_mode()
def policy(out: Path, count: int) -> Figures:
    """What the held-out judge sees in the base policy's own pictures of held-out scenes with one animal.

    Sampled as the default job does: eight steps, and no guidance, which would lead away from what captions do not
    mention, artifacts among them.
    """
    from diffusers import StableDiffusionPipeline

    from rewards.heldout import HeldoutJudge

    pipe: Any = StableDiffusionPipeline.from_pretrained(out / "policy", safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    scenes = [s for s in Album.drawn(2 * count, HELD_OUT, damaged=0).scenes if len(s.creatures) == 1][:count]
    pictures: list[np.ndarray] = []
    for start in range(0, len(scenes), 50):
        prompts = [s.caption() for s in scenes[start : start + 50]]
        generator = torch.Generator().manual_seed(start)
        made = pipe(
            prompts,
            num_inference_steps=8,
            guidance_scale=1.0,
            eta=1.0,
            generator=generator,
            output_type="np",
            height=64,
            width=64,
        )
        pictures.append((made.images * 255).round().astype(np.uint8))
    judge = HeldoutJudge("heldout", str(out / "heldout"))
    facts = [scene.facts() for scene in scenes]
    verdicts = judge.judge(np.concatenate(pictures), [""] * len(scenes), facts)
    animals = defaultdict[str, list[float]](list)
    for scene, verdict in zip(scenes, verdicts, strict=True):
        animals[scene.creatures[0].species].append(verdict.scores["animal"])
    share = {key: float(np.mean([v.scores[key] for v in verdicts])) for key in verdicts[0].scores}
    return {
        "artifact rate in training": DAMAGED,
        "artifact rate (held-out judge)": 1 - share["artifact_free"],
        **{f"{key} recognised (held-out judge)": share[key] for key in ("animal", "colour", "setting")},
        **weakest("recognised, of those asked for as", animals),
    }
