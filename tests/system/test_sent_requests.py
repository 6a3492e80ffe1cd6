"""What strangers send to a running `salon serve`, and whether their neighbours are still answered."""

from __future__ import annotations

import base64
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psutil
import pytest
import requests
from hostile_requests import JSON, hostile_requests, picture, post, raw
from served import DEADLINE_S, Server

pytestmark = pytest.mark.system

MEBIBYTE = 2**20


def send(server: Server, sent: bytes) -> bytes:
    """What comes back until the server closes the connection."""
    with connection(server) as open_socket:
        said = b""
        try:
            open_socket.sendall(sent)
            while part := open_socket.recv(65536):
                said += part
        except OSError:  # closed before all was sent, or read
            pass
        return said


def connection(server: Server) -> socket.socket:
    port = int(server.url.rsplit(":", 1)[1])
    return socket.create_connection(("127.0.0.1", port), timeout=5 * DEADLINE_S)


def judged(server: Server) -> requests.Response:
    return server.ask("POST", "/v1/verdicts", json={"pictures": [{"image": URL, "prompt": "a cat"}]})


def without_time(answer: requests.Response) -> Any:
    assert answer.status_code == 200
    said = answer.json()
    for verdict in said["pictures"][0]["verdicts"]:
        del verdict["latency_s"]
    return said


def memory(server: Server) -> float:
    """MiB of the server's process, at the least of three looks."""
    process = psutil.Process(server.process.pid)
    looks: list[int] = []
    for _ in range(3):
        looks.append(process.memory_info().rss)
        time.sleep(0.2)
    return min(looks) / MEBIBYTE


URL = "data:image/png;base64," + base64.b64encode(picture((64, 64))).decode()


def test_no_request_is_answered_by_a_server_error_and_the_next_one_is_answered_as_before(server: Server):
    before = without_time(judged(server))
    table = list(hostile_requests())
    assert len(table) >= 100

    def wrong() -> list[tuple[str, bytes]]:
        with ThreadPoolExecutor(8) as clients:
            answers = list(clients.map(lambda request: send(server, request.sent), table))
        return [
            (request.name, said[:200])
            for request, said in zip(table, answers, strict=True)
            if not said.startswith(b"HTTP/1.1 ") or int(said.split()[1]) not in request.statuses
        ]

    # What ordinary requests leave behind: threads, their arenas, libraries that are loaded with the first picture.
    with ThreadPoolExecutor(8) as clients:
        assert {answer.status_code for answer in clients.map(judged, [server] * 100)} == {200}
    ordinary = memory(server)
    assert wrong() == []
    once = memory(server)
    assert once < ordinary + 30, "MiB that hostile requests kept"
    assert wrong() == []
    assert memory(server) < once + 30, "MiB that the second time kept"
    assert without_time(judged(server)) == before
    assert server.process.poll() is None


HELD: dict[str, bytes] = {
    "nothing": b"",
    "half the headers": raw("POST /v1/verdicts HTTP/1.1")[:40],
    "a byte of a body": post(JSON, b"{" + b" " * 3_000)[:-3_000],
}


@pytest.mark.parametrize("sent", HELD.values(), ids=HELD.keys())
def test_a_hundred_held_connections_keep_nobody_waiting(server: Server, sent: bytes):
    with ExitStack() as held:
        connections = [held.enter_context(connection(server)) for _ in range(100)]
        for one in connections:
            one.sendall(sent)
        began = time.monotonic()
        assert server.ask("GET", "/healthz", token=None).json() == {"status": "ok"}
        assert judged(server).status_code == 200
        assert time.monotonic() - began < DEADLINE_S
        for one in connections:
            assert b" 408 " in one.recv(65536)
        assert time.monotonic() - began < DEADLINE_S + 5


def test_a_flood_is_answered_or_turned_away_in_json(server: Server):
    with ThreadPoolExecutor(100) as flood:
        asked = [flood.submit(judged, server) for _ in range(300)]
        health = server.ask("GET", "/healthz", token=None)
        answers = [request.result() for request in asked]
    assert health.status_code == 200
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= 72
    for refused in (answer for answer in answers if answer.status_code == 503):
        assert set(refused.json()) == {"detail"}
        assert int(refused.headers["retry-after"]) >= 1
    assert judged(server).status_code == 200
