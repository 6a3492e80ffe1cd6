"""Who can reach the HTTP API, whatever its config says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from rewards.http.server import seen_from_outside
from rewards.settings.http import HttpConfig


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def listening(host: str) -> Iterator[HttpConfig]:
    with ThreadingHTTPServer((host, 0), Healthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield HttpConfig(port=server.server_port)
        server.shutdown()


def test_a_server_on_every_address_is_seen_from_outside_and_one_on_loopback_is_not() -> None:
    with listening("127.0.0.1") as config:
        assert seen_from_outside(config) is None
    if all(a.address.startswith("127.") for each in psutil.net_if_addrs().values() for a in each if a.family == 2):
        pytest.skip("this machine is in no network")
    with listening("0.0.0.0") as config:
        address = seen_from_outside(config)
        assert address is not None
        assert not address.startswith("127.")
