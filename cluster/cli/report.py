# pyright: strict
"""`salon report`: one page about a run."""

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

    with as_bad_input(OSError):
        path = write_report(run)
    typer.echo(f"report: {path}")
