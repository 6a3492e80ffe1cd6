"""One server for all tests of the HTTP API; the last of test_serve.py ends it."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from served import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="serve", dir="/tmp"))  # Ray's socket paths must be short
    server = Server(folder, port)
    server.wait_until_up()
    yield server
    if server.process.poll() is None:
        server.process.terminate()
        server.process.wait(60)
    shutil.rmtree(folder, ignore_errors=True)
