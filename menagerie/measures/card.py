"""`salon menagerie card`: measures the small models on what they have never seen and writes a page about each."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from menagerie.measures import drawing, judging, scoring, sight, writing
from menagerie.measures.timing import Pace
from menagerie.measures.weakest import MARK, Metrics
from menagerie.recipes.train import RECIPES
from menagerie.training.model_folder import MODELS, made, run_first

COUNT = 1000


def write_cards(
    names: Sequence[str] | None = None, out: Path = MODELS, count: int = COUNT, say: Callable[[str], None] = print
) -> list[Path]:
    """Measures each model and writes `MODEL/CARD.md`; raises ValueError for a name that is no model, and
    FileNotFoundError for one that is not there yet, or when none is."""
    for name in names or MEASURES:
        if name not in MEASURES:
            raise ValueError(f"there is no model {name!r}; the models are {', '.join(MEASURES)}")
    names = names or [name for name in MEASURES if made(out / FOLDERS[name])]
    if not names:
        raise FileNotFoundError(f"there is no model in {out}; {run_first('NAME', out)}, or name a folder with models")
    written: list[Path] = []
    for name in names:
        folder = out / FOLDERS[name]
        if not made(folder):
            raise FileNotFoundError(f"{folder} is not there; {run_first(name, out)}")
        card = folder / "CARD.md"
        card.write_text(page(name, MEASURES[name](out, count), Pace.of(name, out), count))
        written.append(card)
        say(f"{name}: {card}")
    return written


def page(name: str, figures: Metrics, pace: Pace, count: int) -> str:
    """A model card in Markdown: the recipe's own words, what it takes, and the figures."""
    recipe: Any = importlib.import_module(f"menagerie.recipes.{name}")
    what = "prompts" if name == "writer" else "drawings"
    measured = "that it wrote for this page" if name == "writer" else "held out, that no recipe trains on"
    good = {key: value for key, value in figures.items() if not key.startswith(MARK)}
    poor = {key.removeprefix(MARK): value for key, value in figures.items() if key.startswith(MARK)}
    weak = f"\n## Known failures\n\nWhere it is weakest:\n\n{_table('of all', poor)}" if poor else ""
    return (
        f"# {name}\n\n{recipe.__doc__.strip()}\n\n"
        f"`salon menagerie train {name}` makes one like it (seed {recipe.SEED}): {pace.steps:,} steps on "
        f"{pace.pictures:,} {what} of its own. That takes about {pace.minutes:.0f} minutes of one core, half as long "
        f"on two idle ones at best: {1000 * pace.step:.3g} ms a step, {1000 * pace.picture:.2g} ms for each of the "
        f"{what}.\n\n"
        f"All figures here are made by `salon menagerie card {name}`; those below, on {count:,} {what} "
        f"{measured}.\n\n{_table('figure', good)}{weak}"
    )


def _table(head: str, figures: Mapping[str, float]) -> str:
    rows = "".join(f"| {key} | {value:.4g} |\n" for key, value in figures.items())
    return f"| {head} | value |\n|---|---|\n{rows}"


MEASURES: dict[str, Callable[[Path, int], Metrics]] = {
    "autoencoder": drawing.autoencoder,
    "clip": judging.clip,
    "policy": drawing.policy,
    "flow": drawing.flow,
    "artifact": judging.artifact,
    "heldout": judging.heldout,
    "auditor": partial(judging.heldout, name="auditor"),
    "aesthetic": scoring.aesthetic,
    "rich": scoring.rich,
    "writer": writing.writer,
    "vqa": sight.vqa,
    "detector": sight.detector,
}
FOLDERS = {"autoencoder": "policy/vae"} | {name: name for name in RECIPES if name != "autoencoder"}
