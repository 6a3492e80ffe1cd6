"""The `salon` command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cluster.cli.jury import jury
from cluster.cli.menagerie import menagerie
from cluster.cli.user_errors import BadInput, one_line
from cluster.tracking.history import CONFIG_FILE, RunHistory

# Everything heavy (torch, ray, diffusers) is imported inside the commands, so that `--help` and a typo answer at once.

ALARM = 3
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM

app = typer.Typer(
    help="Train a text-to-image diffusion model by reinforcement learning against a jury of frozen AI judges.",
    add_completion=False,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(jury)
app.add_typer(menagerie, name="menagerie")


class Terminated(KeyboardInterrupt):
    """SIGTERM: a cluster asks the run to go. It ends the way Ctrl-C does."""


@app.callback()
@menagerie.callback()
def helped(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def train(
    config: Annotated[Path | None, typer.Argument(help="The experiment's YAML; not needed with --resume.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a config key: --set learner.lr=1e-4"),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Continue the run in this directory, with the config stored there."),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where run directories are made.")] = Path("runs"),
) -> None:
    """Train as CONFIG says; the run is kept in runs/NAME. Ctrl-C stops it, --resume continues it."""
    if resume is None and config is None:
        raise BadInput("salon train needs a CONFIG (such as configs/menagerie.yaml) or --resume RUN")
    if resume is not None:
        source = resume / CONFIG_FILE
        if not source.is_file():
            raise BadInput(
                f"--resume {resume}: there is no {CONFIG_FILE} in it; name the directory of a run (runs/NAME)"
            )
        if config is not None:
            typer.echo(f"salon: resuming with {source}; {config} is not read", err=True)
    else:
        assert config is not None
        source = config

    from cluster.config.experiment import load_config

    experiment = load_config(source, list(overrides or []), stored=resume is not None)
    run_dir = resume or runs / experiment.name
    if resume is None and (done := len(RunHistory.read(run_dir).updates)):
        raise BadInput(
            f"{run_dir} holds a run of {done} updates already: continue it with `salon train --resume {run_dir}`, "
            f"or begin another with `--set name=NEW`"
        )
    with _resumable(run_dir):
        from cluster.run.train import train as launch

        launch(experiment, run_dir, resume is not None)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as runs/menagerie.")],
) -> None:
    """Write RUN/report.html: pictures, curves, figures, timings and the config on one page."""
    from cluster.config.yaml_source import SourceError
    from cluster.report.report import write_report

    with one_line(OSError, SourceError):
        path = write_report(run)
    typer.echo(f"report: {path}")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories, such as runs/menagerie.")],
    curves: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Draw their curves into this file (.png, .svg, .pdf).")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Draw pictures before and after into this file (.png).")
    ] = None,
) -> None:
    """Show what several runs changed, side by side."""
    from rich.console import Console

    from cluster.report.comparison import ComparedRun, compare_runs, draw_curves, draw_pictures

    with one_line(OSError, ValueError):
        compared = [ComparedRun.read(run) for run in runs]
        Console().print(compare_runs(compared))
        if curves is not None:
            draw_curves(compared, curves)
        if pictures is not None:
            draw_pictures(runs, pictures)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point.

    Exit code 0, 1 for a run that failed, 2 for bad input (a line per problem), 3 for a run that the alarm ended
    (`alarm.on_alarm`), 130 for Ctrl-C, 143 for SIGTERM.
    """
    code: object = 0
    try:
        code = app(args=list(arguments) if arguments is not None else None, standalone_mode=False, prog_name="salon")
    except typer.Abort:
        code = INTERRUPTED
    except typer.TyperException as error:
        code = _refuse(error.format_message())
    except Exception as error:
        if not _is_foreseen(error):
            raise
        code = _refuse(str(error), 2 if _is_bad_input(error) else ALARM if _is_alarm(error) else 1)
    sys.exit(code if isinstance(code, int) else 0)


def _is_bad_input(error: Exception) -> bool:
    from cluster.config.loading import ConfigError
    from cluster.run.preflight import PreflightError
    from cluster.run.run_lock import RunBusyError

    return isinstance(error, ConfigError | PreflightError | RunBusyError)


def _is_foreseen(error: Exception) -> bool:
    """Whether the message says all that a user needs, so that a traceback would only hide it."""
    from cluster.errors import RunStopped

    return _is_bad_input(error) or isinstance(error, RunStopped)


def _is_alarm(error: Exception) -> bool:
    from cluster.errors import AlarmRang

    return isinstance(error, AlarmRang)


def _refuse(message: str, code: int = 2) -> int:
    """Say what is wrong, each problem in one line."""
    for problem in message.splitlines():
        if problem.strip():
            typer.echo(f"salon: {' '.join(problem.split())}", err=True)
    return code


@contextmanager
def _resumable(run_dir: Path) -> Iterator[None]:
    """Whatever ends a run early, the last line says how far it came and how to go on."""

    def terminate(number: int, frame: object) -> NoReturn:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt as stop:
        typer.echo(f"\nsalon: stopped {_how_far(run_dir)}", err=True)
        raise typer.Exit(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED) from None
    except Exception as error:
        if not _is_bad_input(error):
            typer.echo(f"\nsalon: {'stopped' if _is_alarm(error) else 'failed'} {_how_far(run_dir)}", err=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _how_far(run_dir: Path) -> str:
    updates = RunHistory.read(run_dir).updates
    if not (run_dir / CONFIG_FILE).is_file():
        return "before anything was written; start again with the same command"
    after = f"after update {updates[-1]['update']}" if updates else "before the first update"
    return f"{after}; continue with `salon train --resume {run_dir}`"
