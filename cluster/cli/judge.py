"""`salon judge`: pictures in files before a jury in this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.errors import BadInput, as_bad_input

if TYPE_CHECKING:
    from rewards.settings.judge import JudgeConfig

DEFAULT = Path("configs/jury.yaml")


def judge(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="PNG or JPEG files.")],
    prompt: Annotated[
        list[str], typer.Option(help="What the pictures should show; once for all, or once for each, in order.")
    ],
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            metavar="JSON|FILE",
            help="Metadata that judges read: once for all, or once for each; a file may hold a list of objects.",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help=f"Whose `rewards:` to use; default: the judges of {DEFAULT} that have models.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as the HTTP API answers.")] = False,
    draw: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the pictures with boxes and heatmaps to DIR.")
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="People's ratings (columns file, rating): how far does each judge agree?"),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a config key: --set rewards.deadline_s=5"),
    ] = None,
) -> None:
    """Judge pictures, in this process."""
    from cluster.cli.metadata_option import read_metadata
    from cluster.cli.ratings import read_ratings
    from cluster.config.jury import load_jury
    from rewards.text import check_text

    if len(prompt) not in (1, len(images)):
        raise BadInput(f"--prompt: {len(prompt)} given for {len(images)} pictures; give one for each, or one for all")
    with as_bad_input(ValueError):
        asked = [check_text(text, "--prompt") for text in prompt] * (len(images) if len(prompt) == 1 else 1)
        rated = read_ratings(ratings, images) if ratings is not None else None
        known = read_metadata(metadata or [], len(images))
    rewards = load_jury(config or DEFAULT, overrides or []).rewards
    judges = list(rewards.judges)
    if config is None:
        judges = [name for name, one in rewards.judges.items() if _at_hand(one)]
        if left_out := sorted(rewards.judges.keys() - judges):
            typer.echo(f"salon: {DEFAULT}: left out for want of a model: {', '.join(left_out)}", err=True)
        if not judges:
            raise BadInput("no judge is left; make the models with `salon menagerie train`, or choose a --config")

    if all(_at_hand(rewards.judges[name]) for name in judges):
        # Only a download takes long enough for a bar.
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from cluster.cli.judge_session import agreement_table, judge_files

    with as_bad_input(ValueError, OSError):
        session = judge_files(rewards, judges, images, asked, known, _note)
        written = session.draw(draw) if draw is not None else []
    agreement = session.agreement(rated) if rated is not None else None
    if as_json:
        typer.echo(session.json(agreement))
    else:
        from rich.console import Console

        Console().print(session.table())
        if agreement is not None:
            Console().print(agreement_table(agreement))
    for path in written:
        typer.echo(f"drawn: {path}", err=as_json)


def _note(line: str) -> None:
    typer.echo(f"salon: {line}", err=True)


def _at_hand(judge: JudgeConfig) -> bool:
    """Whether all of its models, if it has any, lie in folders."""
    return all(Path(model.source).is_dir() for model in judge.models().values())
