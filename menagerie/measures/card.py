# pyright: strict
"""`salon menagerie card`: measures the small models on held-out drawings and writes their model cards."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from menagerie.measures import drawing, judging, scoring, sight, writing
from menagerie.measures.timing import RecipeTiming
from menagerie.measures.weakest import MARK, Metrics
from menagerie.recipes.train import RECIPES
from menagerie.training.model_folder import MODELS, holds_model, train_hint

COUNT = 1000


def write_cards(
    names: Sequence[str] | None = None, out: Path = MODELS, count: int = COUNT, say: Callable[[str], None] = print
) -> list[Path]:
    """Measures each model and writes `MODEL/CARD.md`; returns the cards' paths.

    Without `names`, all models in `out`. Raises ValueError for a name that is no model, and FileNotFoundError for a
    model that is not in `out`, or if none is.
    """
    for name in names or MEASURES:
        if name not in MEASURES:
            raise ValueError(f"there is no model {name!r}; the models are {', '.join(MEASURES)}")
    names = names or [name for name in MEASURES if holds_model(out / FOLDERS[name])]
    if not names:
        raise FileNotFoundError(f"there is no model in {out}; {train_hint('NAME', out)}, or name a folder with models")
    written: list[Path] = []
    for name in names:
        folder = out / FOLDERS[name]
        if not holds_model(folder):
            raise FileNotFoundError(f"{folder} is not there; {train_hint(name, out)}")
        card = folder / "CARD.md"
        card.write_text(page(name, MEASURES[name](out, count), RecipeTiming.measure(name, out), count))
        written.append(card)
        say(f"{name}: {card}")
    return written


def page(name: str, metrics: Metrics, timing: RecipeTiming, count: int) -> str:
    """A model card in Markdown: the docstring of its recipe, the time it takes, metrics and known failures."""
    recipe: Any = importlib.import_module(f"menagerie.recipes.{name}")
    what = "prompts" if name == "writer" else "drawings"
    measured = "that it wrote for this page" if name == "writer" else "held out, that no recipe trains on"
    good = {key: value for key, value in metrics.items() if not key.startswith(MARK)}
    poor = {key.removeprefix(MARK): value for key, value in metrics.items() if key.startswith(MARK)}
    weak = f"\n## Known failures\n\nWhere it is weakest:\n\n{_table('of all', poor)}" if poor else ""
    return (
        f"# {name}\n\n{recipe.__doc__.strip()}\n\n"
        f"`salon menagerie train {name} --out FOLDER` makes one like it (seed {recipe.SEED}): {timing.steps:,} steps "
        f"on {timing.pictures:,} {what} of its own. That takes about {timing.minutes:.0f} minutes of one core, half as "
        f"long on two idle ones at best: {1000 * timing.step:.3g} ms a step, {1000 * timing.picture:.2g} ms for each "
        f"of the {what}.\n\n"
        f"All metrics here are made by `salon menagerie card {name} --out FOLDER`; those below, on {count:,} {what} "
        f"{measured}.\n\n{_table('metric', good)}{weak}"
    )


def _table(head: str, metrics: Mapping[str, float]) -> str:
    rows = "".join(f"| {key} | {value:.4g} |\n" for key, value in metrics.items())
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
