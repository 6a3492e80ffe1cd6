"""`salon train`: start a run, or continue one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.errors import AlarmRang, BadInput, ConfigError, RunStopped, Stopped, in_words
from cluster.run.stop_signals import StopSignals, leave
from cluster.tracking.history import CONFIG_FILE, RunHistory

if TYPE_CHECKING:
    from cluster.config.experiment import ExperimentConfig


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
    go_on: Annotated[
        bool, typer.Option("--continue", help="Start the run, or go on with it if it was begun with the same CONFIG.")
    ] = False,
    profile: Annotated[
        bool, typer.Option(help="Trace one update and one group with torch's profiler, into RUN/profile.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--dry-run", help="Start and download nothing; print what the run would take.")
    ] = False,
) -> None:
    """Train as CONFIG says; the run is kept in runs/NAME. Ctrl-C stops it, --resume continues it."""
    if go_on and resume is not None:
        raise BadInput("--continue goes with a CONFIG, --resume with a run's directory; give one of them")
    source = _source(config, resume)

    from cluster.config.experiment import load_config

    experiment = load_config(source, list(overrides or []), stored=resume is not None)
    if plan:
        _print_plan(experiment)
        return
    run_dir = resume or runs / experiment.name
    if go_on and (run_dir / CONFIG_FILE).is_file():
        from cluster.run.resume import check_same

        check_same(run_dir, experiment, source)
        resume = run_dir
    if resume is None:
        from cluster.run.resume import check_new

        check_new(run_dir, f"`salon train --resume {run_dir}`", "`--set name=NEW`")
    with _resumable(run_dir):
        # At once, before torch and Ray are imported.
        from cluster.run.preflight import preflight

        preflight(experiment)

        from cluster.run.train import train as launch

        launch(experiment, run_dir, resume is not None, profile)
    from cluster.report.summary import run_summary

    for line in run_summary(run_dir):
        typer.echo(f"salon: {line}")


def _print_plan(experiment: ExperimentConfig) -> None:
    """Prints what the run would take; raises ConfigError if it could not work on any machine."""
    from rewards.pretrained import quiet_libraries

    quiet_libraries()

    from cluster.sizing.dry_run import dry_run

    lines, problems = dry_run(experiment)
    for line in lines:
        typer.echo(line)
    if problems:
        raise ConfigError("\n".join(problems))


def _source(config: Path | None, resume: Path | None) -> Path:
    """The file to read."""
    if resume is None:
        if config is None:
            raise BadInput("salon train needs a CONFIG (such as configs/menagerie.yaml) or --resume RUN")
        return config
    source = resume / CONFIG_FILE
    if not source.is_file():
        from learners.distributed.checkpoints import CheckpointStore

        checkpoint = CheckpointStore(resume).newest().checkpoint
        copy = checkpoint.config if checkpoint is not None else None
        what = f"put {copy} there, which is a copy of it" if copy else "name the directory of a run (runs/NAME)"
        raise BadInput(f"--resume {resume}: there is no {CONFIG_FILE} in it; {what}")
    if config is not None:
        typer.echo(f"salon: resuming with {source}; {config} is not read", err=True)
    return source


@contextmanager
def _resumable(run_dir: Path) -> Generator[None]:
    """Whatever ends a run early, the last line says how far it came and how to go on."""
    try:
        with StopSignals():  # from here on: importing torch and Ray takes seconds
            yield
    except Stopped as stopped:
        typer.echo(f"\nsalon: stopped {_how_far(run_dir)}", err=True)
        leave(stopped)
    except BadInput:
        raise
    except OSError as error:
        typer.echo(f"\nsalon: failed {_how_far(run_dir)}", err=True)
        raise RunStopped(in_words(error)) from error
    except Exception as error:
        typer.echo(f"\nsalon: {'stopped' if isinstance(error, AlarmRang) else 'failed'} {_how_far(run_dir)}", err=True)
        raise


def _how_far(run_dir: Path) -> str:
    updates = RunHistory.read(run_dir).updates
    if not (run_dir / CONFIG_FILE).is_file():
        return "before anything was written; start again with the same command"
    after = f"after update {updates[-1]['update']}" if updates else "before the first update"
    return f"{after}; continue with `salon train --resume {run_dir}`"
