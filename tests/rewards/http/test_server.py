"""The server with real sockets: who is answered while others hold their connections."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psutil
import pytest
import requests
from PIL import Image

from rewards.config import RewardsConfig
from rewards.http import deadlines
from rewards.http.api import build_app
from rewards.http.auth import TokenGuard
from rewards.http.deadlines import CONNECTIONS
from rewards.http.server import bind, listening
from rewards.registry import build_judge
from rewards.serving.local_jury import LocalJury
from rewards.settings.http import HttpConfig

DEADLINE_S = 1.0
LIMITS: dict[str, Any] = {"max_bytes": 20_000, "header_timeout_s": DEADLINE_S, "body_timeout_s": DEADLINE_S}


class PatientJury(LocalJury):
    """Waits, where it is told to, until it may go on."""

    wait: threading.Event | None = None

    async def verdicts(self, images: Any, prompts: Any, metadata: Any = None) -> Any:
        if self.wait is not None:
            await asyncio.to_thread(self.wait.wait, 10)
        return await super().verdicts(images, prompts, metadata)


@contextmanager
def running(host: str = "127.0.0.1") -> Iterator[tuple[PatientJury, str]]:
    config = RewardsConfig.model_validate({"judges": {"size": {"kind": "jpeg"}}})
    jury = PatientJury(config, {"size": build_judge("size", config.judges["size"])})
    with bind(HttpConfig.model_construct(host=host, port=0)) as sock:
        limits = HttpConfig(host=host, port=sock.getsockname()[1], **LIMITS)
        with listening(build_app(jury, limits, TokenGuard.knowing(None)), sock, limits) as url:
            yield jury, url


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[PatientJury, str]]:
    with running() as made:
        yield made


@pytest.fixture
def jury(served: tuple[PatientJury, str]) -> Iterator[PatientJury]:
    yield served[0]
    served[0].wait = None


@pytest.fixture
def url(served: tuple[PatientJury, str]) -> str:
    return served[1]


def held(url: str, sent: bytes) -> socket.socket:
    host, port = url.removeprefix("http://").rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(sent)
    return connection


def answer_to(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and JSON of what comes before the server closes."""
    with connection:
        said = b""
        while part := connection.recv(65536):
            said += part
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def drip(connection: socket.socket, seconds: float) -> None:
    """A byte now and then."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection.sendall(b"x")
        time.sleep(0.1)


def body() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 90, 90)).save(file, "PNG")
    picture = {"image": base64.b64encode(file.getvalue()).decode(), "prompt": "a cat"}
    return json.dumps({"pictures": [picture]}).encode()


def post(url: str, **more: Any) -> requests.Response:
    headers = {"content-type": "application/json"}
    return requests.post(f"{url}/v1/verdicts", data=body(), headers=headers, timeout=30, **more)


HEADERS = b"POST /v1/verdicts HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 3000\r\n"
UNFINISHED = {
    "nothing": b"",
    "half a line": b"GET /heal",
    "half the headers": HEADERS,
    "one byte of a body": HEADERS + b"\r\n{",
    "half a chunk": HEADERS.replace(b"content-length: 3000", b"transfer-encoding: chunked") + b"\r\nff\r\n{",
}


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED.keys())
def test_a_hundred_connections_that_stop_in_the_middle_keep_nobody_waiting_and_are_closed(url: str, sent: bytes):
    with ExitStack() as held_open:
        connections = [held_open.enter_context(held(url, sent)) for _ in range(100)]
        began = time.monotonic()
        assert requests.get(f"{url}/healthz", timeout=DEADLINE_S).json() == {"status": "ok"}
        assert post(url).status_code == 200
        assert time.monotonic() - began < DEADLINE_S
        for connection in connections:
            status, said = answer_to(connection)
            assert (status, "in time" in said["detail"] or "in 1 s" in said["detail"]) == (408, True)
        assert DEADLINE_S * 0.9 < time.monotonic() - began < DEADLINE_S + 5


def test_a_client_that_sends_a_byte_now_and_then_is_late_all_the_same(url: str):
    for sent in (b"GET /healthz HTTP/1.1\r\n", HEADERS + b"\r\n"):
        with held(url, sent) as slow:
            began = time.monotonic()
            with pytest.raises(OSError):  # noqa: PT011 - reset, or a broken pipe
                drip(slow, DEADLINE_S + 3)
            assert time.monotonic() - began < DEADLINE_S + 2


def test_the_body_of_a_request_that_was_refused_does_not_hold_its_connection(url: str):
    refused = HEADERS.replace(b"application/json", b"text/plain") + b"\r\n"
    with held(url, refused) as slow:
        assert b" 415 " in slow.recv(65536)
        with pytest.raises(OSError):  # noqa: PT011
            drip(slow, DEADLINE_S + 9)


def test_a_client_that_does_not_read_its_answers_is_closed(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deadlines, "ANSWER_READ_S", DEADLINE_S)
    asset = b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n"
    with held(url, asset * 20) as unread:
        time.sleep(DEADLINE_S + 1)
        read = 0
        with suppress(OSError):
            while part := unread.recv(2**20):
                read += len(part)
    assert 0 < read < 20 * 1_000_000, "the rest was given up"


def test_more_connections_than_there_may_be_close_the_oldest_that_wait(url: str):
    with ExitStack() as held_open:
        for _ in range(CONNECTIONS + 20):
            held_open.enter_context(held(url, b""))
        assert requests.get(f"{url}/healthz", timeout=DEADLINE_S).status_code == 200


def test_a_flood_is_answered_or_turned_away_as_the_document_says(jury: PatientJury, url: str):
    jury.wait = threading.Event()
    document = requests.get(f"{url}/openapi.json", timeout=5).json()
    documented = document["paths"]["/v1/verdicts"]["post"]["responses"]["503"]
    with ThreadPoolExecutor(100) as flood:
        asked = [flood.submit(post, url) for _ in range(300)]
        assert requests.get(f"{url}/healthz", timeout=5).status_code == 200
        time.sleep(0.5)
        jury.wait.set()
        answers = [request.result() for request in asked]
    assert {answer.status_code for answer in answers} == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert set(answer.json()) == {"detail"}
            assert int(answer.headers["retry-after"]) >= 1
            assert set(documented["headers"]) == {"Retry-After"}
    assert sum(answer.status_code == 200 for answer in answers) >= 72
    assert post(url).status_code == 200


def test_what_nobody_waits_for_any_more_gives_its_place_back(jury: PatientJury, url: str):
    jury.wait = threading.Event()
    request = HEADERS.replace(b"3000", str(len(body())).encode()) + b"\r\n" + body()
    for _ in range(20):
        held(url, request).close()
    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(post, url) for _ in range(8)]
        time.sleep(0.2)
        jury.wait.set()
        assert [request.result().status_code for request in asked] == [200] * 8


def test_only_those_who_can_reach_its_address_can_ask(url: str):
    port = int(url.rsplit(":", 1)[1])
    own = [a.address for each in psutil.net_if_addrs().values() for a in each if a.family == socket.AF_INET]
    for address in (address for address in own if not address.startswith("127.")):
        with pytest.raises(OSError):  # noqa: PT011
            socket.create_connection((address, port), timeout=2)


@pytest.mark.parametrize("host", ["::1", "127.1", "localhost"])
def test_it_listens_on_any_address_that_the_system_knows(host: str):
    try:
        with running(host) as (_, url):
            assert requests.get(f"{url}/healthz", timeout=5).status_code == 200
    except OSError as error:
        pytest.skip(f"this machine has no {host} ({error})")


def test_an_address_is_taken_before_anything_listens_there():
    with bind(HttpConfig.model_construct(host="127.0.0.1", port=0)) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=2)
        with pytest.raises(OSError, match="in use"):
            bind(HttpConfig(port=port))
