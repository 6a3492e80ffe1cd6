"""`salon serve` as a user starts it: Ray Serve, HTTP, a token, and an end that leaves nothing behind."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from PIL import Image

from rewards.judges.jpeg import JpegConfig, JpegJudge

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "sesame-3f1c"
JURY = """\
rewards:
  http: {max_bytes: 200000, max_pixels: 100000}
  judges:
    size: {kind: jpeg, serve: {num_cpus: 0.1}}
    quality: {kind: jpeg, quality: 50, role: audit, serve: {num_cpus: 0.1}}
cluster: {object_store_mb: 100, num_cpus: 2}
"""


class Server:
    """A running `salon serve` and how to ask it."""

    def __init__(self, folder: Path, port: int) -> None:
        config = folder / "jury.yaml"
        config.write_text(JURY)
        self.url, self.folder = f"http://127.0.0.1:{port}", folder
        self.said: list[str] = []
        command = [sys.executable, "-c", "from cluster.cli.main import main; main()", "serve", str(config)]
        self.process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"SALON_TOKEN": TOKEN, "RAY_TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        )

    def wait_until_up(self) -> None:
        assert self.process.stdout is not None
        self.said = list(itertools.islice(self.process.stdout, 2))
        assert len(self.said) == 2, self.process.communicate()[1]

    def ask(self, method: str, path: str, token: str | None = TOKEN, **options: object) -> requests.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **options)


@pytest.fixture(scope="module")
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


def png(*shape: int) -> tuple[bytes, np.ndarray]:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue(), pixels


def test_it_says_where_it_listens_and_lets_in_only_who_knows_the_token(server: Server):
    assert server.said[0] == "salon: starting 2 judges: size, quality\n"
    assert server.said[1].startswith(f"salon: the jury answers at {server.url} (whoever knows SALON_TOKEN may ask)")
    assert server.ask("GET", "/healthz", token=None).json() == {"status": "ok"}
    for path in ("/v1/judges", "/metrics"):
        assert server.ask("GET", path, token=None).status_code == 401
        assert server.ask("GET", path, token="sesame").status_code == 401
    judges = server.ask("GET", "/v1/judges").json()["judges"]
    assert {judge["name"]: judge["version"] for judge in judges} == {
        "size": JpegJudge("size", JpegConfig()).version,
        "quality": JpegJudge("quality", JpegConfig(quality=50)).version,
    }


def test_replicas_say_what_the_judges_say_in_process(server: Server):
    uploads = [png(16, 24), png(32, 32), png(16, 24)]
    parts = [("image", ("a.png", data, "image/png")) for data, _ in uploads]
    answer = server.ask("POST", "/v1/verdicts", files=parts, data={"prompt": "a cat"})
    assert answer.status_code == 200
    for picture, (_, pixels) in zip(answer.json()["pictures"], uploads, strict=True):
        for verdict, judge in zip(
            picture["verdicts"],
            [JpegJudge("size", JpegConfig()), JpegJudge("quality", JpegConfig(quality=50))],
            strict=True,
        ):
            (expected,) = judge.judge(pixels[None], ["a cat"])
            assert (verdict["judge"], verdict["value"]) == (judge.name, expected.value)
        assert picture["reward"] == pytest.approx(picture["verdicts"][0]["value"])
    metrics = server.ask("GET", "/metrics").text
    assert 'salon_judge_pictures_total{judge="size"} 3.0' in metrics
    assert 'salon_judge_calls_total{judge="quality"} 1.0' in metrics


def test_limits_hold_through_the_proxy(server: Server):
    large = server.ask("POST", "/v1/verdicts", data=b" " * 200_001, token=TOKEN)
    assert large.status_code == 415, "no content type"
    many = [("image", ("a.png", b"\0" * 300_000, "image/png"))]
    answer = server.ask("POST", "/v1/verdicts", files=many, data={"prompt": "a cat"})
    assert (answer.status_code, "more than 200,000 bytes" in answer.text) == (413, True)
    wide, _ = png(200, 520)
    wide = [("image", ("a.png", wide[:5000], "image/png"))]
    answer = server.ask("POST", "/v1/verdicts", files=wide, data={"prompt": "a cat"})
    assert (answer.status_code, "520 × 200 pixels" in answer.json()["detail"]) == (413, True)


def test_the_token_is_in_no_log_and_no_other_process(server: Server):
    assert not any(TOKEN.encode() in file.read_bytes() for file in server.folder.rglob("*") if file.is_file())
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert len(children) > 3
    assert not any("SALON_TOKEN" in child.environ() for child in children)


def test_it_ends_at_a_signal_and_takes_its_ray_with_it(server: Server):
    children = psutil.Process(server.process.pid).children(recursive=True)
    server.process.send_signal(signal.SIGTERM)
    _, err = server.process.communicate(timeout=60)
    assert (server.process.returncode, "Traceback" in err) == (0, False)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
