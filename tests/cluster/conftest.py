"""The command in this process, and a run as a user would have it on disk, with pictures of the drawn world."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.cli.main import main
from cluster.report.grid import SampleGrid
from cluster.tracking.evaluation import measure, to_row
from cluster.tracking.metrics import MetricsWriter
from menagerie.world.damage import KINDS
from menagerie.world.picture import draw
from menagerie.world.scene import Scene, sample_scene
from rewards.verdict import Verdict

CONFIG = """\
name: menagerie
seed: 0
updates: 60
groups_per_update: 8
samples_per_prompt: 8
max_lag: 1
policy:
  model: menagerie/models/policy
  lora: {rank: 8, alpha: 8}
sampler: {steps: 8, eta: 1.0, guidance: 2.0}
actors: {count: 1, num_cpus: 0.5}
rewards:
  judges:
    artifact: {kind: artifact, model: menagerie/models/artifact, weight: 1.0, role: train}
    clip: {kind: clip, model: menagerie/models/clip, weight: 1.0}
    heldout: {kind: "menagerie.heldout_judge:HeldoutJudge", model: menagerie/models/heldout, role: audit}
learner: {lr: 3.0e-4, clip: {kind: proximal, range: 1.0e-4}}
evaluation: {every: 20, prompts: 32, samples: 4}
"""

PROMPTS, SAMPLES = 32, 4


def judged(clean: float, recognised: float, spread: float, seed: int) -> tuple[dict[str, list[Verdict]], list[str]]:
    """Verdicts of a held-out judge and of CLIP on 32 prompts × 4 pictures, and the prompt of each picture."""
    rng = np.random.default_rng(seed)
    verdicts: dict[str, list[Verdict]] = {"heldout": [], "clip": []}
    prompts: list[str] = []
    for p in range(PROMPTS):
        theme = np.random.default_rng(p).normal(size=16)
        for _ in range(SAMPLES):
            drawn = theme + spread * rng.normal(size=16)
            features = (drawn / np.linalg.norm(drawn)).astype(np.float32)
            free = float(rng.random() < clean)
            scores = {key: float(rng.random() < recognised) for key in ("animal", "colour", "setting")}
            answer = "No artifacts" if free else "omitted, localized blur"
            verdicts["heldout"].append(
                Verdict("heldout", "ok", free, {"artifact_free": free} | scores, answer, features=features)
            )
            verdicts["clip"].append(Verdict("clip", "ok", 0.27 + 0.02 * float(rng.normal()), features=features))
            prompts.append(f"prompt {p}")
    return verdicts, prompts


def grid(damaged: float, seed: int) -> SampleGrid:
    """A sample grid of drawn pictures, of which about `damaged` carry an artifact."""
    scenes = [sample_scene(random.Random(i)) for i in range(6)]
    rng = random.Random(seed)
    pictures = [[draw(moved(scene, j), damage_of(scene, damaged, rng), seed=j) for j in range(4)] for scene in scenes]
    return SampleGrid(
        prompts=[scene.caption() for scene in scenes],
        images=np.stack([np.stack([picture.pixels for picture in row]) for row in pictures]),
        seeds=[[100 * i + j for j in range(4)] for i in range(6)],
        answers=[[", ".join(picture.categories) or "No artifacts" for picture in row] for row in pictures],
        clean=[[not picture.categories for picture in row] for row in pictures],
    )


def moved(scene: Scene, j: int) -> Scene:
    """The same scene, a little different, as another seed would draw it."""
    creatures = [replace(c, flipped=(j % 2 == 0), size=c.size * (1 - 0.06 * j)) for c in scene.creatures]
    return replace(scene, creatures=tuple(creatures), horizon=scene.horizon + 0.02 * j)


def damage_of(scene: Scene, damaged: float, rng: random.Random) -> tuple[str, ...]:
    """One artifact with probability `damaged`, else none; letters only where there is a sign."""
    kinds = [kind for kind in KINDS if scene.sign or kind != "illegible letters"]
    return (rng.choice(kinds),) if rng.random() < damaged else ()


def update_row(update: int, updates: int, hacked: bool, rng: np.random.Generator) -> dict[str, float]:
    """The metrics of one update of a run that learns slowly, or of one that hacks its reward."""
    t = update / updates
    learnt = 1 - math.exp(-2.5 * t)
    lost = 0.5 * t if hacked else 0.0
    shares = {"artifact_free": 0.58 + 0.24 * learnt - lost, "animal": 0.8 - lost, "colour": 0.87, "setting": 0.93}
    row = {f"heldout/{key}": rng.binomial(64, max(0.02, share)) / 64 for key, share in shares.items()}
    reward = 0.9 + 0.45 * learnt + 0.04 * rng.normal()
    return row | {
        "reward/mean": reward,
        "reward/std": 0.38 - 0.1 * learnt,
        "judge/artifact": reward - 0.27,
        "judge/clip": 0.27 + 0.008 * rng.normal(),
        "judge/heldout": row["heldout/artifact_free"],
        "heldout/diversity": 0.6 - 0.05 * learnt - 0.7 * lost + 0.01 * rng.normal(),
        "lag/mean": 0.0 if update == 1 else 0.86 + 0.05 * rng.normal(),
        "lag/max": min(update - 1, 1),
        "clip_fraction": 0.08 + 0.02 * rng.normal(),
        "kl/lag0": 2e-6 * update,
        "kl/lag1": 3e-6 * update,
        "seconds/rolling": 4.1 + 0.2 * rng.normal(),
        "seconds/judging": 1.3 + 0.1 * rng.normal(),
        "seconds/training": 6.9 + 0.2 * rng.normal(),
        "seconds/waiting": 0.9 + 0.1 * rng.normal(),
        "images": 64 * update,
        "images_per_s": 7.6 + 0.3 * rng.normal(),
        "idle/actors": 0.31 + 0.02 * rng.normal(),
        "idle/learner": 0.11 + 0.01 * rng.normal(),
        "dropped/actor died": float(update > 24),
        "dropped/unscored": 2.0 * (update > 40),
    }


@pytest.fixture
def salon(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process; its exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert isinstance(stop.value.code, int)
        return stop.value.code, out, err

    return run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run of `updates` updates under the test's directory and return where it is."""

    def make(*, updates: int = 60, hacked: bool = False, name: str = "menagerie", pictures: bool = True) -> Path:
        run = tmp_path / name
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(CONFIG.replace("name: menagerie", f"name: {name}"))
        rng = np.random.default_rng(0)
        with MetricsWriter(run, clock=ticking(8.2)) as writer:
            writer.evaluation("before", 0, to_row(measure(*judged(0.58, 0.85, 0.8, 1))))
            for update in range(1, updates + 1):
                writer.update(update, update_row(update, updates, hacked, rng))
                if update % 20 == 0 and update < updates:
                    clean, known = (0.5, 0.6) if hacked else (0.58 + 0.24 * update / updates, 0.85)
                    writer.evaluation(str(update), update, to_row(measure(*judged(clean, known, 0.78, 1 + update))))
            after = (0.4, 0.35, 0.4) if hacked else (0.82, 0.85, 0.75)
            writer.evaluation("after", updates, to_row(measure(*judged(*after, 2))))
        if pictures:
            grid(0.45, 0).save(run / "pictures", "before")
            grid(0.18, 1).save(run / "pictures", "after")
        return run

    return make


@pytest.fixture
def run(make_run: Callable[..., Path]) -> Path:
    """A finished run that learnt."""
    return make_run()


def ticking(seconds: float, start: float = 1.8e9) -> Callable[[], float]:
    """A clock that moves on by `seconds` whenever it is read."""

    def times() -> Iterator[float]:
        now = start
        while True:
            yield now
            now += seconds

    return times().__next__
