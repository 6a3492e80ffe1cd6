"""`salon serve`: the jury alone, over HTTP."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cluster.errors import Stopped
from cluster.run.stop_signals import leave


def serve(
    config: Annotated[Path, typer.Argument(help="An experiment's YAML, or one with only `rewards:`.")],
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: rewards.http.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default: rewards.http.port.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a config key: --set rewards.deadline_s=5"),
    ] = None,
) -> None:
    """Serve the jury of CONFIG over HTTP, until Ctrl-C. SALON_TOKEN, if set, is the bearer token it asks for."""
    from cluster.config.jury import load_jury

    chosen = {"host": host, "port": port}
    # As JSON, which is YAML: :: and 127.1 are texts.
    mine = [f"rewards.http.{key}={json.dumps(value)}" for key, value in chosen.items() if value is not None]
    settings = load_jury(config, [*(overrides or []), *mine])

    from cluster.run.http_jury import serve_until_stopped
    from rewards.http.auth import TOKEN

    def say(line: str, err: bool = False) -> None:
        typer.echo(f"salon: {line}", err=err)

    # Taken out of the environment, which Ray's processes inherit.
    token = os.environ.pop(TOKEN, None)
    try:
        serve_until_stopped(settings, token, say, lambda line: say(line, err=True))
    except Stopped as stopped:
        say("stopped before the jury answered", err=True)
        leave(stopped)
