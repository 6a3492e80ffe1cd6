"""`salon serve` as a user starts it: Ray Serve, HTTP, a token, and an end that leaves nothing behind."""

from __future__ import annotations

import io
import signal

import numpy as np
import psutil
import pytest
from PIL import Image
from served import TOKEN, Server

from rewards.judges.jpeg import JpegConfig, JpegJudge

pytestmark = pytest.mark.system


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


def counted(server: Server, metric: str) -> float:
    lines = server.ask("GET", "/metrics").text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(metric))


def test_replicas_say_what_the_judges_say_in_process(server: Server):
    pictures, calls = 'salon_judge_pictures_total{judge="size"}', 'salon_judge_calls_total{judge="quality"}'
    before = counted(server, pictures), counted(server, calls)
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
    assert (counted(server, pictures), counted(server, calls)) == (before[0] + 3, before[1] + 1)


def test_limits_hold_over_the_wire(server: Server):
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
