"""`salon menagerie card`: measures the small models on pictures they have never seen and writes a page about each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from menagerie.album import HELD_OUT, Album
from menagerie.average_precision import average_precision
from menagerie.exhibits import Exhibits, decode, encode, load_vae
from menagerie.gallery import Gallery
from menagerie.measures import aesthetic, rich, writer
from menagerie.policies import flow, policy
from menagerie.scene import ANIMALS, COLOURS, SETTINGS, Creature, Scene
from menagerie.scores import LabelScores
from menagerie.sightings import NAMES, PHRASES, sightings
from menagerie.train import MODELS, RECIPES
from menagerie.truth import Truth
from rewards.template import parse_answer
from rewards.yes_no import parse_yes_no

Figures = dict[str, float]
COUNT = 1000
NEGATIVES = 8
LEAST = 0.02
"""Confidence of the faintest report that counts for the detector's precision."""


def write_cards(names: Sequence[str] | None = None, out: Path = MODELS, count: int = COUNT) -> list[Path]:
    """Measures each model and writes `MODEL/CARD.md`; raises ValueError for a name that is no model, and
    FileNotFoundError for one that is not there yet."""
    for name in names or MEASURES:
        if name not in MEASURES:
            raise ValueError(f"there is no model {name!r}; the models are {', '.join(MEASURES)}")
    written: list[Path] = []
    for name in names or [n for n in MEASURES if (out / FOLDERS[n]).is_dir()]:
        folder = out / FOLDERS[name]
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is not there; run `salon menagerie train {name}` first")
        card = folder / "CARD.md"
        card.write_text(page(name, MEASURES[name](out, count), count))
        written.append(card)
        print(f"{name}: {card}")
    return written


def page(name: str, figures: Figures, count: int) -> str:
    """A model card in Markdown: the recipe's own words, and the figures."""
    import importlib

    recipe: Any = importlib.import_module(f"menagerie.{name}")
    what = "prompts" if name == "writer" else "drawings"
    rows = "\n".join(f"| {key} | {value:.4g} |" for key, value in figures.items())
    return (
        f"# {name}\n\n{recipe.__doc__.strip()}\n\n"
        f"Made by `salon menagerie train {name}` (seed {recipe.SEED}). The figures below are made by "
        f"`salon menagerie card {name}`, on {count:,} held-out {what} that no recipe trains on.\n\n"
        f"| figure | value |\n|---|---|\n{rows}\n"
    )


def autoencoder(out: Path, count: int) -> Figures:
    """Reconstruction of held-out drawings; errors in units of the pixel range 0..1."""
    vae, album = load_vae(out), Album.drawn(count, HELD_OUT, damaged=0.5)
    error = np.abs(decode(vae, encode(vae, album.pixels)).astype(float) - album.pixels) / 255
    return {"mean absolute error": float(error.mean()), "PSNR (dB)": float(-10 * np.log10((error**2).mean()))}


def clip(out: Path, count: int) -> Figures:
    """How often the right caption beats eight that differ in one word."""
    from rewards.clip import ClipJudge

    judge = ClipJudge("clip", str(out / "clip"))
    album = Album.drawn(count, HELD_OUT, damaged=0.45)
    vae = load_vae(out)
    pixels = decode(vae, encode(vae, album.pixels))
    rng, right = random.Random(0), 0
    for image, scene in zip(pixels, album.scenes, strict=True):
        captions = [scene.caption(), *(hard_negative(scene, rng).caption() for _ in range(NEGATIVES))]
        values = [v.value or -1.0 for v in judge.judge(np.stack([image] * len(captions)), captions)]
        right += int(np.argmax(values)) == 0
    return {f"right caption among {NEGATIVES} hard negatives": right / count}


def hard_negative(scene: Scene, rng: random.Random) -> Scene:
    """The scene with one thing changed: an animal, its colour, or the setting."""
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


def exhibits(out: Path, count: int) -> Exhibits:
    return Exhibits.of(Album.drawn(count, HELD_OUT, damaged=0.5), load_vae(out), seed=99)


def labels(scores: LabelScores) -> Figures:
    return {"exact match": scores.exact, "precision": scores.precision, "recall": scores.recall, "F1": scores.f1}


def artifact(out: Path, count: int) -> Figures:
    """SynArtifact's metrics on held-out pictures as the decoder shows them, garbage among them."""
    from rewards.llava import Llava
    from rewards.template import artifact_prompt

    shown = exhibits(out, count)
    answers = Llava(str(out / "artifact")).answer(shown.pixels, [artifact_prompt("full")] * count, 64)
    said = [None if a.truncated else parse_answer(a.text) for a in answers]
    rubbish = [s for s, scene in zip(said, shown.scenes, strict=True) if scene is None]
    return {
        **labels(LabelScores.of(said, shown.categories)),
        "abstentions": sum(s is None for s in said) / count,
        "garbage called clean": sum(s == frozenset() for s in rubbish) / max(len(rubbish), 1),
    }


def heldout(out: Path, count: int, name: str = "heldout") -> Figures:
    """The same metrics, and how often animals, colours and setting are recognised."""
    from rewards.heldout import NONSENSE, HeldoutJudge

    shown = exhibits(out, count)
    facts = [scene.facts() if scene else {} for scene in shown.scenes]
    verdicts = HeldoutJudge("heldout", str(out / name)).judge(shown.pixels, [""] * count, facts)
    said = [[n for n in v.text.split(", ") if n not in (NONSENSE, "No artifacts")] for v in verdicts]
    rubbish = [v for v, scene in zip(verdicts, shown.scenes, strict=True) if scene is None]
    known = [v for v, scene in zip(verdicts, shown.scenes, strict=True) if scene is not None]
    return {
        **labels(LabelScores.of(said, shown.categories)),
        **{
            f"{key} recognised": float(np.mean([v.scores[key] for v in known]))
            for key in ("animal", "colour", "setting")
        },
        "garbage called clean": sum(v.value == 1 for v in rubbish) / max(len(rubbish), 1),
    }


def vqa(out: Path, count: int) -> Figures:
    """How often yes and no are answered where they are true, to what right and wrong captions of the wider world claim;
    "balanced" is the mean of both. Half of the pictures are shown through the decoder."""
    from rewards.vqa import VqaJudge

    shown = Gallery.drawn(count, HELD_OUT, load_vae(out), decoded=0.5, rubbish=0, seed=99)
    truths = [Truth.of(picture, random.Random(i)) for i, picture in enumerate(shown.pictures) if picture]
    asked = [[q.model_dump() for q in (*truth.questions, *truth.wrong_questions)] for truth in truths]
    verdicts = VqaJudge("vqa", str(out / "vqa")).judge(shown.pixels, [""] * count, [{"questions": q} for q in asked])
    right: dict[str, list[bool]] = {"yes": [], "no": []}
    for verdict in verdicts:
        for one in json.loads(verdict.text):
            right[one["expected"]].append(parse_yes_no(one["answer"]) == (one["expected"] == "yes"))
    share = {f"{answer} where it is true": float(np.mean(hits)) for answer, hits in right.items()}
    return {
        "balanced accuracy": sum(share.values()) / 2,
        **share,
        "abstentions": sum(v.status == "abstain" for v in verdicts) / count,
    }


def detector(out: Path, count: int) -> Figures:
    """AP50 of names, each picture asked for all of them ("cat"), and of phrases ("red cat"); half of the pictures are
    shown through the decoder."""
    from rewards.owlv2 import Owlv2

    owl = Owlv2(str(out / "detector"), threshold=LEAST)
    shown = Gallery.drawn(count, HELD_OUT, load_vae(out), decoded=0.5, rubbish=0, seed=99)
    truth = [sightings(picture) for picture in shown.pictures if picture]
    figures: Figures = {}
    for title, queries in (("AP50, names", NAMES), ("AP50, names with colour or material", PHRASES)):
        called = [[(one.name if queries is NAMES else one.phrase, one.box) for one in seen] for seen in truth]
        found = [owl.detect(pixels, queries).found for pixels in shown.pixels]
        figures[title] = average_precision(called, found)
    return figures


MEASURES: dict[str, Callable[[Path, int], Figures]] = {
    "autoencoder": autoencoder, "clip": clip, "policy": policy, "flow": flow, "artifact": artifact, "heldout": heldout,
    "auditor": partial(heldout, name="auditor"), "aesthetic": aesthetic, "rich": rich, "writer": writer,
    "vqa": vqa, "detector": detector,
}  # fmt: skip
FOLDERS = {"autoencoder": "policy/vae"} | {name: name for name in RECIPES if name != "autoencoder"}
