# pyright: strict
"""The jury alone behind the HTTP API, until a signal stops it."""

from __future__ import annotations

import errno
import logging
import math
import socket
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress

from cluster.config.jury import JuryConfig
from cluster.errors import PreflightError, RunStopped, Stopped
from cluster.run.checks.environment import ray_problems
from cluster.run.checks.models import judge_problems
from cluster.run.ray_runtime import ray_runtime
from cluster.run.resources import judge_resources, missing_resources
from cluster.run.stop_signals import StopSignals
from rewards.config import RewardsConfig
from rewards.http.api import build_app
from rewards.http.auth import TOKEN, TokenGuard, is_loopback
from rewards.http.server import bind, listening
from rewards.serving.jury import JuryHandle, serve_jury, withdraw_jury
from rewards.settings.http import HttpConfig

# Not a run's name for its jury: both may be on one cluster.
APP = "jury-http"
POLL_S = 0.2


def serve_until_stopped(
    config: JuryConfig, token: str | None, say: Callable[[str], None], note: Callable[[str], None]
) -> None:
    """Serves the jury; blocks until SIGINT, SIGTERM or SIGHUP. `say` gets the lines for the user, `note` what loads.

    Raises PreflightError for what can be known to fail, RunStopped when the judges do not come up, Stopped when a
    signal comes before the jury answers.
    """
    lacks = [
        *ray_problems(config.cluster, config.rewards),
        *missing_resources([*judge_resources(config.rewards)], config.cluster),
    ]
    with ExitStack() as ending:
        # Bound before the judges load, so that nobody takes the address meanwhile; it listens when they are up.
        guard, problems = _guard(token)
        sock = None
        try:
            sock = ending.enter_context(bind(config.rewards.http))
        except OSError as error:
            problems.append(_unbound(config.rewards.http, error))
        else:
            problems += _exposed(config.rewards.http, sock.getsockname()[0], guard)
        if (problems := [*judge_problems(config.rewards), *problems, *lacks]) or sock is None:
            raise PreflightError("\n".join(problems))
        say(f"starting {len(config.rewards.judges)} judges: {', '.join(config.rewards.judges)}")
        stop = ending.enter_context(StopSignals())
        ending.enter_context(ray_runtime(config.cluster, stop))
        if config.cluster.address is not None:  # a Ray of our own takes its Serve with it
            ending.callback(withdraw_jury, APP)
        jury = _jury(config.rewards, note)
        _quiet()
        url = ending.enter_context(listening(build_app(jury, config.rewards.http, guard), sock, config.rewards.http))
        who = "anybody on this machine may ask" if guard.open else f"whoever knows {TOKEN} may ask"
        say(f"the jury answers at {url} ({who}); {url}/docs says how; Ctrl-C stops it")
        _until_a_signal(stop)


def _guard(token: str | None) -> tuple[TokenGuard, list[str]]:
    try:
        return TokenGuard.knowing(token), []
    except ValueError as error:
        return TokenGuard.knowing("-"), [str(error)]


def _exposed(http: HttpConfig, address: str, guard: TokenGuard) -> list[str]:
    """What is wrong with who could ask at the `address` that `http.host` has turned out to be."""
    if not guard.open or is_loopback(address):
        return []
    return [
        f"rewards.http.host: {http.host!r} can be reached from other machines; set a token in the environment variable "
        f"{TOKEN}, or listen on 127.0.0.1"
    ]


def _unbound(http: HttpConfig, error: OSError) -> str:
    """Why nothing can listen there."""
    reason = error.strerror or str(error)
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"rewards.http.host: {http.host!r} is no address of this machine ({reason}); choose another --host"
    return f"rewards.http: cannot listen on {http.host} port {http.port} ({reason}); choose another --port"


def _jury(config: RewardsConfig, note: Callable[[str], None]) -> JuryHandle:
    began, up = time.monotonic(), 0

    def loaded(judge: str) -> None:
        nonlocal up
        up += 1
        note(f"judge {judge} is up ({up} of {len(config.judges)}, {time.monotonic() - began:.0f} s)")

    try:
        # A silent judge does not end a server: its verdicts have status error.
        return serve_jury(config.model_copy(update={"give_up_s": math.inf}), APP, loaded)
    except (ValueError, TimeoutError) as error:
        raise RunStopped(str(error)) from error


def _quiet() -> None:
    """What libraries remark on strangers' bytes, and Serve on a replica that is slow, is in the answers."""
    warnings.filterwarnings("ignore", module="PIL")
    for name in ("python_multipart", "ray.serve"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _until_a_signal(stop: StopSignals) -> None:
    with suppress(Stopped), stop.held():
        while not stop.asked:
            time.sleep(POLL_S)
