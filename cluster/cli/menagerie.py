"""`salon menagerie`: the drawn world, and the small models that are trained on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from cluster.errors import BadInput, as_bad_input

# Everything heavy is imported inside the commands, as in cluster/cli/main.py.

menagerie = typer.Typer(
    help="The drawn world and the small models that are trained on it.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


Out = Annotated[
    Path | None,
    typer.Option(help="The models' folder: where to write, and where the models are that the new one builds on."),
]
Shipped = Annotated[bool, typer.Option("--shipped", help="Instead of --out: the models that ship with Salon.")]


@menagerie.command("draw")
def draw(
    count: Annotated[int, typer.Option(min=1, help="How many pictures.")],
    out: Annotated[Path, typer.Option(help="The folder to write, new or empty.")],
    seed: Annotated[int, typer.Option(help="The same seed draws the same pictures.")] = 0,
    schema: Annotated[
        Literal["synartifact", "richhf"],
        typer.Option(help="Whose records to write: SynArtifact-1K's, or RichHF-18K's (with a wider world)."),
    ] = "synartifact",
) -> None:
    """Draw a data set of pictures with known artifacts, questions, mismatches and ratings."""
    from menagerie.datasets.draw import draw_dataset

    with as_bad_input(OSError, ValueError):
        sheet = draw_dataset(count, out, seed, schema)
    typer.echo(f"{count} pictures in {out}; look at {sheet}")


@menagerie.command("prompts")
def prompts(
    out: Annotated[Path, typer.Option(help="The file to write, new.")],
    count: Annotated[int, typer.Option(min=1, help="How many prompts of each category.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed writes the same prompts.")] = 0,
) -> None:
    """Write a list of prompts about the wider world, in AGFSync's categories."""
    from menagerie.labels.prompts import write_prompts

    with as_bad_input(OSError, ValueError):
        written = write_prompts(out, count, seed)
    typer.echo(f"{written} prompts in {out}")


@menagerie.command("train")
def train_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which of the small models to make again.")],
    out: Out = None,
    shipped: Shipped = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps; left out: the recipe's.")] = None,
) -> None:
    """Train one of the small models from nothing, by its recipe."""
    from menagerie.recipes.train import train as train_menagerie

    _quiet()
    with as_bad_input(OSError, ValueError):
        folder = train_menagerie(name, _folder(out, shipped), steps)
    typer.echo(f"{name}: trained, in {folder}")


@menagerie.command("card")
def card(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One model; left out: all of them.")] = None,
    out: Out = None,
    shipped: Shipped = False,
) -> None:
    """Measure the small models on held-out drawings and write their cards."""
    from menagerie.measures.card import write_cards

    _quiet()
    with as_bad_input(OSError, ValueError):
        write_cards([name] if name else None, _folder(out, shipped))


def _folder(out: Path | None, shipped: bool) -> Path:
    """The models' folder, which a user has to name: none is written over by an option that was left out."""
    from menagerie.training.model_folder import MODELS

    if (out is None) is not shipped:
        raise BadInput(f"give --out FOLDER or, to write over the models that ship with Salon ({MODELS}), --shipped")
    return out or MODELS


def _quiet() -> None:
    """What the libraries have to say of devices and configs is not what somebody waits for who trains on a CPU."""
    from rewards.pretrained import quiet_libraries

    os.environ.setdefault("DS_ACCELERATOR", "cpu")  # DeepSpeed, which saving a model imports, warns that it chose so
    quiet_libraries()
