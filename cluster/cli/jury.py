"""`salon serve` and `salon judge`: the jury without a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cluster.cli.user_errors import BadInput, one_line
from rewards.settings.judge import JudgeConfig
from rewards.settings.kinds import model_of

# Everything heavy is imported inside the commands, as in cluster/cli/main.py.

DEFAULT = Path("configs/jury.yaml")

jury = typer.Typer(rich_markup_mode=None)

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a config key: --set rewards.deadline_s=5"),
]


@jury.command()
def serve(
    config: Annotated[Path, typer.Argument(help="An experiment's YAML, or one with only `rewards:`.")],
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: rewards.http.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default: rewards.http.port.")] = None,
    overrides: Overrides = None,
) -> None:
    """Serve the jury of CONFIG over HTTP, until Ctrl-C. SALON_TOKEN, if set, is the bearer token it asks for."""
    from cluster.config.jury import load_jury

    chosen = {"host": host, "port": port}
    mine = [f"rewards.http.{key}={value}" for key, value in chosen.items() if value is not None]
    settings = load_jury(config, [*(overrides or []), *mine])

    from cluster.cli.serve import hold
    from rewards.http.auth import TOKEN

    # Taken out of the environment, which Ray's processes inherit.
    hold(settings, os.environ.pop(TOKEN, None), lambda line: typer.echo(f"salon: {line}"))


@jury.command()
def judge(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="PNG or JPEG files.")],
    prompt: Annotated[
        list[str], typer.Option(help="What the pictures should show; once for all, or once for each, in order.")
    ],
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
    overrides: Overrides = None,
) -> None:
    """Judge pictures, in this process."""
    from cluster.cli.ratings import read_ratings
    from cluster.config.jury import load_jury

    if len(prompt) not in (1, len(images)):
        raise BadInput(f"--prompt: {len(prompt)} given for {len(images)} pictures; give one for each, or one for all")
    with one_line(ValueError):
        rated = read_ratings(ratings, images) if ratings is not None else None
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
    from cluster.cli.judge import agreement_table, evaluate

    with one_line(ValueError, OSError):
        session = evaluate(rewards, judges, images, prompt if len(prompt) > 1 else prompt * len(images))
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


def _at_hand(judge: JudgeConfig) -> bool:
    """Whether all of its models, if it has any, lie in folders."""
    needed = [model_of(judge), *(folder for folder, _ in judge.helpers().values())]
    return all(model is None or Path(model).is_dir() for model in needed)
