"""`salon report`: one page about a run, from the files in its directory.

The run may be over, stopped, or going on elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster.errors import as_bad_input


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as runs/menagerie.")],
) -> None:
    """Write RUN/report.html: pictures, curves, figures, timings and the config on one page."""
    from cluster.report.report import write_report

    # A damaged `config.yaml` says so itself; what else a folder may lack or refuse is the system's own word.
    damaged: list[str] = []
    with as_bad_input(OSError):
        path = write_report(run, damaged)
    for line in damaged:
        typer.echo(f"salon: {line}", err=True)
    typer.echo(f"report: {path}")
