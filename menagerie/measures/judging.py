# pyright: strict
"""Metrics of the judges of artifacts, and of CLIP."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from learners.judges.metrics.classification import LabelScores
from menagerie.datasets.artifact_pictures import ArtifactPictures
from menagerie.datasets.pixels import decode, encode
from menagerie.datasets.plain_pictures import HELD_OUT, PlainPictures
from menagerie.measures.weakest import Metrics, weakest
from menagerie.training.model_folder import load_vae
from menagerie.world.scene import ANIMALS, COLOURS, SETTINGS, Creature, Scene
from rewards.judges.synartifact.template import parse_answer
from rewards.registry import build_judge, judge_config
from rewards.verdict import Verdict

NEGATIVES = 8


def clip(out: Path, count: int) -> Metrics:
    """How often the right caption scores higher than eight others that differ in one word."""
    judge = build_judge("clip", judge_config("clip", model=str(out / "clip")))
    pictures = PlainPictures.draw(count, HELD_OUT, damaged=0.45)
    vae = load_vae(out)
    pixels = decode(vae, encode(vae, pictures.pixels))
    rng, right = random.Random(0), defaultdict[str, list[float]](list)
    hits = 0
    for image, scene in zip(pixels, pictures.scenes, strict=True):
        captions = [scene.caption()]
        while len(captions) <= NEGATIVES:
            if (other := hard_negative(scene, rng).caption()) not in captions:
                captions.append(other)
        hit = picked_first(judge.judge(np.stack([image] * len(captions)), captions))
        for creature in scene.creatures:
            right[creature.species].append(float(hit))
        hits += hit
    return {
        f"right caption among {NEGATIVES} hard negatives": hits / count,
        **weakest("right caption of pictures with a", right),
    }


def picked_first(verdicts: Sequence[Verdict]) -> bool:
    """Whether the first verdict has the highest value of all; a tie does not count."""
    first, *others = (-math.inf if v.value is None else v.value for v in verdicts)
    return first > max(others)


def hard_negative(scene: Scene, rng: random.Random) -> Scene:
    """The scene with one thing changed: a species, a colour, or the setting."""
    what = rng.choice(("species", "colour", "setting"))
    if what == "setting":
        return Scene(
            rng.choice([s for s in SETTINGS if s != scene.setting]), scene.horizon, scene.creatures, scene.sign
        )
    i = rng.randrange(len(scene.creatures))
    c = scene.creatures[i]
    species = rng.choice([a for a in ANIMALS if a != c.species]) if what == "species" else c.species
    colour = rng.choice([k for k in COLOURS if k != c.colour]) if what == "colour" else c.colour
    other = Creature(species, colour, c.x, c.ground, c.size, c.flipped)
    return Scene(scene.setting, scene.horizon, (*scene.creatures[:i], other, *scene.creatures[i + 1 :]), scene.sign)


def held_out_pictures(out: Path, count: int) -> ArtifactPictures:
    return ArtifactPictures.of(PlainPictures.draw(count, HELD_OUT, damaged=0.5), load_vae(out), seed=99)


def label_metrics(predicted: Sequence[Iterable[str] | None], truth: Sequence[Sequence[str]]) -> Metrics:
    """SynArtifact's metrics, and the categories with the lowest recall."""
    scores, found = LabelScores.of(predicted, truth), defaultdict[str, list[float]](list)
    for names, categories in zip(predicted, truth, strict=True):
        for category in categories:
            found[category].append(float(category in set(names or ())))
    return {
        "exact match": scores.exact,
        "precision": scores.precision,
        "recall": scores.recall,
        "F1": scores.f1,
        **weakest("recall of", found),
    }


def artifact(out: Path, count: int) -> Metrics:
    """SynArtifact's metrics on held-out pictures, garbage included, as the decoder shows them."""
    from rewards.judges.synartifact.template import artifact_prompt
    from rewards.models.vlm.llava import Llava

    shown = held_out_pictures(out, count)
    answers = Llava(str(out / "artifact")).answer(shown.pixels, [artifact_prompt("full")] * count, 64)
    predicted = [None if a.truncated else parse_answer(a.text) for a in answers]
    shown_garbage = [s for s, scene in zip(predicted, shown.scenes, strict=True) if scene is None]
    return {
        **label_metrics(predicted, shown.categories),
        "abstentions": sum(s is None for s in predicted) / count,
        "garbage called clean": sum(s == frozenset() for s in shown_garbage) / max(len(shown_garbage), 1),
    }


def heldout(out: Path, count: int, name: str = "heldout") -> Metrics:
    """The same metrics, and the accuracy of animals, colours and setting."""
    from menagerie.heldout_judge import NONSENSE, HeldoutJudge, HeldoutJudgeConfig

    shown = held_out_pictures(out, count)
    metadata = [scene.metadata() if scene else {} for scene in shown.scenes]
    judge = HeldoutJudge("heldout", HeldoutJudgeConfig(model=str(out / name)))
    verdicts = judge.judge(shown.pixels, [""] * count, metadata)
    predicted = [[n for n in v.text.split(", ") if n not in (NONSENSE, "No artifacts")] for v in verdicts]
    shown_garbage = [v for v, scene in zip(verdicts, shown.scenes, strict=True) if scene is None]
    known = [v for v, scene in zip(verdicts, shown.scenes, strict=True) if scene is not None]
    return {
        **label_metrics(predicted, shown.categories),
        **{
            f"{key} recognised": float(np.mean([v.scores[key] for v in known]))
            for key in ("animal", "colour", "setting")
        },
        "garbage called clean": sum(v.value == 1 for v in shown_garbage) / max(len(shown_garbage), 1),
    }
