# pyright: strict
"""The jury alone behind the HTTP API, until a signal stops it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from cluster.config.jury import JuryConfig
from cluster.errors import PreflightError, RunStopped, Stopped
from cluster.run.preflight import judge_models
from cluster.run.ray_runtime import ray_runtime
from cluster.run.resources import judge_resources, missing_resources
from cluster.run.stop_signals import StopSignals
from rewards.http.auth import TOKEN, TokenGuard, is_loopback
from rewards.http.server import serve_http, withdraw_http
from rewards.settings.http import HttpConfig

# Not a run's name for its jury: both may be on one cluster.
APP = "jury-http"
POLL_S = 0.2


def serve_until_stopped(config: JuryConfig, token: str | None, say: Callable[[str], None]) -> None:
    """Serves the jury; blocks until SIGINT, SIGTERM or SIGHUP. `say` gets the lines for the user: where it listens.

    Raises PreflightError for what can be known to fail, RunStopped when the judges do not come up, Stopped when a
    signal comes before the jury answers.
    """
    guard = TokenGuard.knowing(token)
    lacks = missing_resources([*judge_resources(config.rewards)], config.cluster)
    if problems := [*judge_models(config.rewards), *_address(config, guard), *lacks]:
        raise PreflightError("\n".join(problems))
    say(f"starting {len(config.rewards.judges)} judges: {', '.join(config.rewards.judges)}")
    with StopSignals() as stop, ray_runtime(config.cluster, stop):
        try:
            url = serve_http(config.rewards, guard, APP)
            door = "anybody on this machine may ask" if guard.open else f"whoever knows {TOKEN} may ask"
            say(f"the jury answers at {url} ({door}); {url}/docs says how; Ctrl-C stops it")
            _until_a_signal(stop)
        except (ValueError, TimeoutError) as error:
            raise RunStopped(str(error)) from error
        finally:
            if config.cluster.address is not None:  # a Ray of our own takes its Serve with it
                withdraw_http(APP)


def _address(config: JuryConfig, guard: TokenGuard) -> list[str]:
    """What is wrong with where the jury is to listen."""
    http = config.rewards.http
    if guard.open and not is_loopback(http.host):
        return [
            f"rewards.http.host: {http.host!r} can be reached from other machines; set a token in the environment "
            f"variable {TOKEN}, or listen on 127.0.0.1"
        ]
    if config.cluster.address is None and (reason := _taken(http)):
        return [f"rewards.http: cannot listen on {http.host} port {http.port} ({reason}); choose another --port"]
    return []


def _taken(http: HttpConfig) -> str:
    """Why nothing can listen there; empty if it can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(http.host, http.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _until_a_signal(stop: StopSignals) -> None:
    with contextlib.suppress(Stopped), stop.held():
        while not stop.asked:
            time.sleep(POLL_S)
