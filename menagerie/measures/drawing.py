# pyright: strict
"""Metrics of the models that draw: the autoencoder and the policies."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from actors.config import PolicyConfig, SamplerConfig
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler
from menagerie.datasets.captioned_latents import DAMAGED
from menagerie.datasets.pixels import decode, encode
from menagerie.datasets.plain_pictures import HELD_OUT, PlainPictures
from menagerie.heldout_judge import HeldoutJudge, HeldoutJudgeConfig
from menagerie.measures.weakest import MARK, Metrics, lowest, weakest
from menagerie.training.model_folder import load_vae, require_model
from rewards.arrays import FloatArray

STEPS = 8
"""As in `configs/menagerie.yaml` and `configs/flow.yaml`. There is no guidance: it would suppress what captions do not
mention, and so the artifacts."""
NOISE = {"policy": 1.0, "flow": 0.7}
"""`sampler.eta` in the same configs."""


def autoencoder(out: Path, count: int) -> Metrics:
    """Reconstruction of held-out drawings; errors in units of the pixel range 0..1."""
    vae, pictures = load_vae(out), PlainPictures.draw(count, HELD_OUT, damaged=0.5)
    error = np.abs(decode(vae, encode(vae, pictures.pixels)).astype(float) - pictures.pixels) / 255
    settings = np.array([scene.setting for scene in pictures.scenes])
    by_setting = {str(setting): _psnr(error[settings == setting]) for setting in np.unique(settings)}
    return {
        "mean absolute error": float(error.mean()),
        "PSNR (dB)": _psnr(error),
        **lowest("PSNR of pictures set in", by_setting),
    }


def _psnr(error: FloatArray) -> float:
    return float(-10 * np.log10((error**2).mean()))


def policy(out: Path, count: int) -> Metrics:
    return {"artifact rate in training": DAMAGED, **policy_metrics(out, "policy", count, NOISE["policy"])}


def flow(out: Path, count: int) -> Metrics:
    """With the noise of the job's steps, and without noise, as in the plain pipeline."""
    quiet = policy_metrics(out, "flow", count, 1e-6)
    return {
        "artifact rate in training": DAMAGED,
        **policy_metrics(out, "flow", count, NOISE["flow"]),
        **{f"{key}, no noise in the steps": value for key, value in quiet.items() if not key.startswith(MARK)},
    }


def policy_metrics(out: Path, name: str, count: int, eta: float) -> Metrics:
    """The held-out judge's scores of pictures that the policy `out/name` draws for held-out scenes with one animal."""
    sampler = Sampler(
        Policy.load(PolicyConfig(model=str(out / name))),
        SamplerConfig(steps=STEPS, eta=eta, guidance=1.0, max_batch=50),
    )
    scenes = [s for s in PlainPictures.draw(2 * count, HELD_OUT, damaged=0).scenes if len(s.creatures) == 1][:count]
    pictures = sampler.images([s.caption() for s in scenes], range(len(scenes)))
    judge = HeldoutJudge("heldout", HeldoutJudgeConfig(model=str(require_model(out, "heldout"))))
    verdicts = judge.judge(pictures, [""] * len(scenes), [scene.metadata() for scene in scenes])
    share = {key: float(np.mean([v.scores[key] for v in verdicts])) for key in verdicts[0].scores}
    animals = defaultdict[str, list[float]](list)
    for scene, verdict in zip(scenes, verdicts, strict=True):
        animals[scene.creatures[0].species].append(verdict.scores["animal"])
    return {
        "artifact rate (held-out judge)": 1 - share["artifact_free"],
        **{f"{key} recognised (held-out judge)": share[key] for key in ("animal", "colour", "setting")},
        **weakest("recognised, of those asked for as", animals),
    }
