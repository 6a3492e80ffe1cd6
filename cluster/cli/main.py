"""The `salon` command: its commands, one file each in this folder, and what errors become.

Everything heavy (torch, ray, diffusers) is imported inside the commands, so that `--help` and a typo answer at once.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from cluster.cli.bench import bench
from cluster.cli.compare import compare
from cluster.cli.judge import judge
from cluster.cli.menagerie import menagerie
from cluster.cli.report import report
from cluster.cli.serve import serve
from cluster.cli.train import train
from cluster.errors import BadInput, ExitCode, UserError, in_words

app = typer.Typer(
    help="Train a text-to-image diffusion model by reinforcement learning against a jury of frozen AI judges.",
    add_completion=False,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, bench, report, compare, serve, judge):
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
    _make_output_legible()
    code: object = ExitCode.OK
    try:
        _check_current_folder()
        code = app(args=list(arguments) if arguments is not None else None, standalone_mode=False, prog_name="salon")
        _flush()
    except typer.Abort:
        code = ExitCode.INTERRUPTED
    except typer.TyperException as error:
        code = _refuse(error.format_message(), ExitCode.BAD_INPUT)
    except UserError as error:
        code = _refuse(str(error), error.exit_code)
    except BrokenPipeError:  # `salon ... | head`: nobody reads on, so there is nobody to tell
        code = ExitCode.FAILED
        sys.stdout = None
    except OSError as error:
        # What the system refuses to a command is no bug of Salon's. Runs, which keep what they have made, say it
        # themselves.
        code = _refuse(in_words(error), ExitCode.BAD_INPUT)
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


def _check_current_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:
        raise BadInput(f"the current folder is gone ({error.strerror}); change into one that is there") from None


def _make_output_legible() -> None:
    """A terminal or pipe that knows few characters gets the others as escapes, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """What a full disk or a closed pipe refuses, it refuses here, and not when Python ends."""
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - it is None where it was closed
        sys.stdout.flush()


def _refuse(message: str, code: ExitCode) -> ExitCode:
    """Say what is wrong, each problem in one line; what a user's own words would do to a terminal is written out."""
    for problem in message.split("\n"):
        if line := " ".join(problem.split()):
            shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
            typer.echo(f"salon: {shown}", err=True)
    return code
