"""`salon compare`: what several runs changed, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster.errors import as_bad_input


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

    with as_bad_input(OSError, ValueError):
        compared = [ComparedRun.read(run) for run in runs]
        for line in (line for run in compared for line in run.history.damaged):
            typer.echo(f"salon: {line}", err=True)
        Console().print(compare_runs(compared))
        if curves is not None:
            draw_curves(compared, curves)
        if pictures is not None:
            draw_pictures(runs, pictures)
