# pyright: strict
"""The socket and the server of the HTTP API: uvicorn in a thread of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI

from rewards.http.deadlines import DeadlineProtocol
from rewards.settings.http import HttpConfig

END_S = 5
"""for requests that are being answered when the server ends"""


def bind(config: HttpConfig) -> socket.socket:
    """A socket that has the address, so that nobody else can take it, and does not listen yet. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        # Where two sockets allow it, both would be bound until one listens.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError:
        sock.close()
        raise
    return sock


@contextmanager
def listening(app: FastAPI, sock: socket.socket, config: HttpConfig) -> Generator[str]:
    """Context manager: answers on `sock` from a thread, and stops on exit. Yields the URL for this machine.

    Why not Ray Serve's own proxy: it waits for ever for headers and bodies, and has no setting for it.
    """
    protocol: Any = partial(DeadlineProtocol, header_timeout_s=config.header_timeout_s, waiting={})
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            access_log=False,
            log_config=None,
            log_level="error",
            timeout_graceful_shutdown=END_S,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="http", daemon=True)
    thread.start()
    try:
        while thread.is_alive() and not server.started:
            time.sleep(0.01)
        yield base_url(config)
    finally:
        server.should_exit = True
        thread.join()


def base_url(config: HttpConfig) -> str:
    """The URL of the API for a client on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)
    return f"http://[{host}]:{config.port}" if ":" in host else f"http://{host}:{config.port}"
