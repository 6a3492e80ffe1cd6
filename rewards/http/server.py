"""The jury on Ray Serve with an HTTP proxy, for `salon serve`. Training runs ask by handle and have no proxy."""

from __future__ import annotations

import http.client
import math
import socket
import time
from typing import Any

import psutil
from fastapi import FastAPI
from ray import serve
from ray.serve.config import ProxyLocation
from ray.serve.handle import DeploymentHandle

from rewards.config import RewardsConfig
from rewards.http.api import build_app
from rewards.http.auth import TOKEN, TokenGuard, is_loopback
from rewards.serving.jury import JuryHandle, bind_judges, wait_until_running
from rewards.settings.http import HttpConfig

# Each may hold a body, and its pictures decoded, stacked and in the object store.
REQUESTS_AT_ONCE, REQUESTS_WAITING = 8, 64
PROXY_S = 30.0


@serve.deployment(
    ray_actor_options={"num_cpus": 0},
    max_ongoing_requests=REQUESTS_AT_ONCE,
    max_queued_requests=REQUESTS_WAITING,
    max_constructor_retry_count=2,
)
@serve.ingress()
class HttpIngress:
    """The HTTP ingress: decodes pictures, and asks every judge by handle.

    There is one replica of it, so that its metrics count every request.
    """

    async def __init__(self, config: RewardsConfig, guard: TokenGuard, judges: dict[str, DeploymentHandle]) -> None:
        # A silent judge does not end a server: its verdicts have status error.
        patient = config.model_copy(update={"give_up_s": math.inf})
        versions = {name: await handle.version.remote() for name, handle in judges.items()}
        self._app = build_app(JuryHandle(patient, judges, versions), config.http, guard)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return self._app


def serve_http(config: RewardsConfig, guard: TokenGuard, app: str = "jury-http") -> str:
    """Starts the jury as the Serve application `app` and returns its address once it answers.

    Needs a Ray that is initialised. Raises as `serve_jury` does, TimeoutError when the judges are up but nothing
    answers at `config.http`, and ValueError when others than this machine could ask without a token: a Serve that runs
    already keeps the address that it was started with.
    """
    serve.start(
        proxy_location=ProxyLocation.HeadOnly, http_options={"host": config.http.host, "port": config.http.port}
    )
    ingress: Any = HttpIngress
    target = serve.RunTarget(ingress.bind(config, guard, bind_judges(config)), name=app, route_prefix="/")
    serve.run_many([target], wait_for_applications_running=False)
    wait_until_running(app, time.monotonic() + config.start_timeout_s, config)
    _wait_until_answering(config.http)
    if guard.open and (address := seen_from_outside(config.http)):
        withdraw_http(app)
        raise ValueError(
            f"the Serve that runs on this cluster already listens on {address}, where other machines could ask; set a "
            f"token in the environment variable {TOKEN}"
        )
    return base_url(config.http)


def withdraw_http(app: str) -> None:
    """Deletes the application from a cluster that goes on without it."""
    serve.delete(app)


def base_url(config: HttpConfig) -> str:
    """The URL of the API for a client on this machine."""
    host = _reachable(config.host)
    return f"http://[{host}]:{config.port}" if ":" in host else f"http://{host}:{config.port}"


def _wait_until_answering(config: HttpConfig) -> None:
    until = time.monotonic() + PROXY_S
    while not _answers(_reachable(config.host), config.port):
        if time.monotonic() > until:
            raise TimeoutError(
                f"the judges are up, but nothing answers at {base_url(config)} (rewards.http); "
                "a Serve that runs on this cluster already keeps the address that it was started with"
            )
        time.sleep(0.2)


def seen_from_outside(config: HttpConfig) -> str | None:
    """An address of this machine in a network at which the API answers."""
    addresses = [a.address for each in psutil.net_if_addrs().values() for a in each if a.family == socket.AF_INET]
    outside = (address for address in addresses if not is_loopback(address))
    return next((address for address in outside if _answers(address, config.port)), None)


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reachable(host: str) -> str:
    """`host`, or this machine's own address where the server listens on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
