"""The `salon` command: its commands, one file each in this folder, and what errors become.

Everything heavy (torch, ray, diffusers) is imported inside the commands, so that `--help` and a typo answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from cluster.cli.compare import compare
from cluster.cli.judge import judge
from cluster.cli.menagerie import menagerie
from cluster.cli.report import report
from cluster.cli.serve import serve
from cluster.cli.train import train
from cluster.errors import ExitCode, UserError

app = typer.Typer(
    help="Train a text-to-image diffusion model by reinforcement learning against a jury of frozen AI judges.",
    add_completion=False,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, report, compare, serve, judge):
    app.command()(command)
app.add_typer(menagerie, name="menagerie")


@menagerie.callback()
def show_help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"salon {version('salon')}")
        raise typer.Exit


@app.callback()
def salon(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    show_help(context)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point; exits with one of the codes of `cluster.errors`."""
    code: object = ExitCode.OK
    try:
        code = app(args=list(arguments) if arguments is not None else None, standalone_mode=False, prog_name="salon")
    except typer.Abort:
        code = ExitCode.INTERRUPTED
    except typer.TyperException as error:
        code = _refuse(error.format_message(), ExitCode.BAD_INPUT)
    except UserError as error:
        code = _refuse(str(error), error.exit_code)
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


def _refuse(message: str, code: ExitCode) -> ExitCode:
    """Say what is wrong, each problem in one line."""
    for problem in message.splitlines():
        if problem.strip():
            typer.echo(f"salon: {' '.join(problem.split())}", err=True)
    return code
