"""The HTTP API, in process: real judges, real pictures, and requests of every kind."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import schemathesis
from fastapi import FastAPI
from faulty_judges import BAD
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis.checks import CHECKS
from schemathesis.transport.serialization import Binary
from starlette.testclient import TestClient

from rewards.config import RewardsConfig
from rewards.http.api import build_app
from rewards.http.auth import TokenGuard
from rewards.registry import build_judge
from rewards.serving.local_jury import LocalJury
from rewards.settings.http import HttpConfig

LIMITS = HttpConfig(max_bytes=400_000, max_pixels=10_000, max_pictures=3)
JUDGES = {"size": {"kind": "jpeg"}, "incompressible": {"kind": "jpeg", "prefer": "large", "role": "audit"}}


def build(judges: dict[str, Any] = JUDGES, limits: HttpConfig = LIMITS, token: str | None = None) -> FastAPI:
    config = RewardsConfig.model_validate({"judges": judges, "on_error": "stop"})
    jury = LocalJury(config, {name: build_judge(name, judge) for name, judge in config.judges.items()})
    return build_app(jury, limits, TokenGuard.knowing(token))


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(build())


def png(*size: int, colour: int = 90, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size[0], size[-1]) if size else (8, 8), (colour, 90, 90)).save(file, "PNG", **options)
    return file.getvalue()


def as_json(*files: bytes, prompt: str = "a cat") -> dict[str, Any]:
    return {"pictures": [{"image": base64.b64encode(file).decode(), "prompt": prompt} for file in files]}


def form(client: TestClient, files: Sequence[bytes], prompts: Sequence[str], **more: Any):
    parts = [("image", (f"{i}.png", file, "image/png")) for i, file in enumerate(files)]
    return client.post("/v1/verdicts", files=parts, data={"prompt": list(prompts)}, **more)


def test_pictures_of_several_sizes_are_judged_in_order(client: TestClient):
    files = [png(8), png(64, colour=7), png(8, colour=200)]
    answer = client.post("/v1/verdicts", json=as_json(*files))
    assert answer.status_code == 200
    pictures = answer.json()["pictures"]
    assert [(picture["width"], picture["height"]) for picture in pictures] == [(8, 8), (64, 64), (8, 8)]
    judge = build_judge("size", RewardsConfig.model_validate({"judges": JUDGES}).judges["size"])
    for file, picture in zip(files, pictures, strict=True):
        (expected,) = judge.judge(np.asarray(Image.open(io.BytesIO(file)))[None], ["a cat"])
        train, audit = picture["verdicts"]
        assert (train["judge"], train["status"], train["value"]) == ("size", "ok", expected.value)
        assert train["version"] == judge.version
        assert (audit["judge"], audit["value"]) == ("incompressible", -expected.value)
        # An audit judge does not count.
        assert picture["reward"] == pytest.approx(expected.value)


def test_a_form_says_the_same_as_json(client: TestClient):
    files = [png(8), png(16)]
    by_form = form(client, files, ["a cat"]).json()
    by_json = client.post("/v1/verdicts", json=as_json(*files)).json()
    for picture in [*by_form["pictures"], *by_json["pictures"]]:
        for verdict in picture["verdicts"]:
            assert verdict.pop("latency_s") > 0
    assert by_form == by_json
    prompts = form(client, files, ["a cat", "ein Hündchen"]).json()["pictures"]
    assert [picture["prompt"] for picture in prompts] == ["a cat", "ein Hündchen"]


def test_the_jury_is_listed_with_its_versions(client: TestClient):
    train, audit = client.get("/v1/judges").json()["judges"]
    assert (train["name"], train["kind"], train["role"], train["weight"]) == ("size", "jpeg", "train", 1.0)
    assert (audit["name"], audit["role"]) == ("incompressible", "audit")
    assert train["version"] != audit["version"]
    assert client.get("/healthz").json() == {"status": "ok"}
    assert "swagger" in client.get("/docs").text


def test_a_judge_that_raises_is_part_of_the_answer_and_leaves_the_picture_unscored():
    faulty = {"raises": {"kind": "faulty_judges:Raises"}, "size": {"kind": "jpeg"}}
    client = TestClient(build(faulty))
    bad, fine = client.post("/v1/verdicts", json=as_json(png(8, colour=BAD), png(9))).json()["pictures"]
    assert bad["reward"] is None
    raised, size = bad["verdicts"]
    assert (raised["status"], raised["value"]) == ("error", None)
    assert raised["text"] == "RuntimeError: this picture is too much"
    assert size["status"] == "ok"
    assert fine["reward"] == pytest.approx(sum(verdict["value"] for verdict in fine["verdicts"]))
    page = client.get("/metrics").text
    assert 'salon_judge_calls_total{judge="raises"} 1.0' in page
    assert 'salon_judge_failures_total{judge="raises"} 1.0' in page
    assert 'salon_judge_failures_total{judge="size"} 0.0' in page
    assert 'salon_judge_pictures_total{judge="size"} 2.0' in page
    assert 'salon_judge_latency_seconds_count{judge="size"} 2.0' in page
    assert 'salon_judge_latency_seconds_count{judge="raises"} 1.0' in page


def test_a_judge_of_its_own_that_would_stop_a_run_leaves_the_picture_unscored():
    stops = {"raises": {"kind": "faulty_judges:Raises", "on_error": "stop"}, "size": {"kind": "jpeg"}}
    answer = TestClient(build(stops)).post("/v1/verdicts", json=as_json(png(8, colour=BAD), png(9)))
    assert answer.status_code == 200
    bad, fine = answer.json()["pictures"]
    assert bad["reward"] is None
    assert fine["reward"] is not None


def test_a_judge_applies_to_each_picture_by_the_metadata_of_its_own_prompt():
    judges = {
        "size": {"kind": "jpeg"},
        "reds": {"kind": "jpeg", "applies_if": {"key": "colour", "op": "equals", "value": "red"}},
    }
    body = as_json(png(8), png(8, colour=200), png(8))
    for picture, metadata in zip(body["pictures"], ({"colour": "red"}, {"colour": "blue"}, {}), strict=True):
        picture["metadata"] = metadata
    red, blue, unknown = TestClient(build(judges)).post("/v1/verdicts", json=body).json()["pictures"]
    assert [verdict["status"] for verdict in red["verdicts"]] == ["ok", "ok"]
    for other in (blue, unknown):
        size, reds = other["verdicts"]
        assert (reds["status"], reds["text"]) == ("abstain", "does not apply to the prompt")
        assert other["reward"] == pytest.approx(2 * size["value"]), (
            "the weight of a judge with no say goes to the others"
        )


def test_a_verdict_has_its_boxes_and_heatmaps():
    client = TestClient(build({"marks": {"kind": "marking_judges:Marks"}}))
    picture = client.post("/v1/verdicts", json=as_json(png(8))).json()["pictures"][0]
    (verdict,) = picture["verdicts"]
    assert verdict["boxes"] == [{"label": "left half", "x1": 0.0, "y1": 0.0, "x2": 0.5, "y2": 1.0}]
    heatmap = np.asarray(Image.open(io.BytesIO(base64.b64decode(verdict["heatmaps"]["artifact"]))))
    assert heatmap.tolist() == [[0, 0], [128, 255]]
    assert verdict["scores"] == {"broken": None, "whole": 1.0}
    assert verdict["words"] == ["cat", "?"]


def test_a_verdict_that_json_cannot_hold_is_an_error_of_that_judge():
    client = TestClient(build({"mumbles": {"kind": "marking_judges:Mumbles"}}))
    answer = client.post("/v1/verdicts", json=as_json(png(8)))
    assert answer.status_code == 200
    (verdict,) = answer.json()["pictures"][0]["verdicts"]
    assert verdict["status"] == "error"
    assert "cannot be written as JSON" in verdict["text"]


@pytest.mark.parametrize(
    ("files", "status", "reason"),
    [
        ([png(8), b"GIF89a not a picture"], 415, "image[1]: is no PNG or JPEG"),
        ([png(64)[:-30]], 422, "image[0]: cannot be decoded"),
        ([png(101)], 413, "image[0]: has 101 × 101 pixels, more than the 10,000 allowed"),
        ([png(8)] * 4, 413, "the form cannot be read (Too many files. Maximum number of files is 3"),
        ([png(8) + b"\0" * 400_000], 413, "more than 400,000 bytes"),
        ([png(8, save_all=True, append_images=[Image.new("RGB", (8, 8))])], 422, "image[0]: is animated (2 frames)"),
        ([b""], 422, "image[0]: the file is empty"),
        ([], 415, "content type 'application/x-www-form-urlencoded'"),
    ],
)
def test_an_upload_is_refused_with_a_reason(client: TestClient, files: list[bytes], status: int, reason: str):
    answer = form(client, files, ["a cat"])
    assert answer.status_code == status
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 422, "body: Invalid JSON"),
        (b"{", 422, "body: Invalid JSON"),
        (b"[" * 100_000, 422, "body: Invalid JSON"),
        (b"[" * 200_000, 413, "200,000 commas and brackets"),
        (b"{}", 422, "pictures: Field required"),
        (b'{"pictures": []}', 422, "pictures: List should have at least 1 item"),
        (b'{"pictures": [{"image": "AAAA"}]}', 422, "pictures.0.prompt: Field required"),
        (b'{"pictures": [{"image": "A\xc3\xa4=", "prompt": ""}]}', 422, "pictures[0].image: is not base64"),
        (b'{"pictures": [{"image": "", "prompt": ""}]}', 422, "pictures[0].image: the file is empty"),
        (b'{"pictures": [{"image": "AAAA", "prompt": "\\ud800"}]}', 422, "body: Invalid JSON"),
        (json.dumps(as_json(png(8), prompt="x" * 4001)).encode(), 422, "pictures.0.prompt: String should have at most"),
        (json.dumps(as_json(*[png(8)] * 4)).encode(), 413, "pictures: 4 in one request; at most 3"),
        (b" " * 400_001, 413, "more than 400,000 bytes"),
    ],
)
def test_a_body_is_refused_with_a_reason(client: TestClient, body: bytes, status: int, reason: str):
    answer = client.post("/v1/verdicts", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/form-data", b"--x\r\n", 400),
        ("multipart/form-data; boundary=x", b"no boundary here", 400),
        ("multipart/form-data; boundary=x", b"--x\r\ncontent-disposition: form-data\r\n\r\n1\r\n--x--\r\n", 400),
        ("multipart/form-data; boundary=x; charset=undefined", b"--x--\r\n", 422),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
            422,
        ),
        ("text/plain", b"a cat", 415),
        ("", b"a cat", 415),
    ],
)
def test_a_form_that_is_none_is_refused(client: TestClient, kind: str, body: bytes, status: int):
    answer = client.post("/v1/verdicts", content=body, headers={"content-type": kind})
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


@pytest.mark.parametrize("charset", ["undefined", "idna", "utf-7", "punycode", "hex", "no-such"])
def test_a_prompt_in_an_odd_charset_is_answered(client: TestClient, charset: str):
    part = b"--x\r\ncontent-disposition: form-data; name=%s\r\n\r\n%s\r\n"
    image = b'--x\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n' + png(8) + b"\r\n"
    body = part % (b'"prompt"', b"+2AA- \xff.xn--\xfc") + image + b"--x--\r\n"
    headers = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    answer = client.post("/v1/verdicts", content=body, headers=headers)
    assert answer.status_code in (200, 400, 422)
    assert answer.json()


def test_the_token_opens_and_nothing_else_does():
    client = TestClient(build(token="sesame"))
    for path in ("/v1/judges", "/metrics"):
        for header in (
            {},
            {"Authorization": "Bearer sesam"},
            {"Authorization": "sesame"},
            {"Authorization": "Bearer é"},
        ):
            answer = client.get(path, headers={key: value.encode() for key, value in header.items()})
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get(path, headers={"Authorization": "Bearer sesame"}).status_code == 200
    assert client.post("/v1/verdicts", json=as_json(png(8))).status_code == 401
    assert client.get("/healthz").status_code == 200
    assert client.get("/openapi.json").status_code == 200


# Every kind of request that the description allows, and many that it does not. Half of the pictures are pictures.
GOOD, WHOLE = [png(8), png(16, 9), png(120)], bytearray(png(12))
PICTURES = st.one_of(
    st.sampled_from(GOOD),
    st.binary(max_size=64),
    st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=4)).map(
        lambda hit: bytes(WHOLE[: hit[0]] + hit[1] + WHOLE[hit[0] + len(hit[1]) :])
    ),
)
schemathesis.openapi.format("byte", PICTURES.map(lambda data: base64.b64encode(data).decode()))
schemathesis.openapi.format("binary", PICTURES.map(Binary))
DESCRIBED = schemathesis.openapi.from_asgi("/openapi.json", build())
RESPONSES = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]


def test_both_kinds_of_body_are_fuzzed():
    kinds = {body.media_type for body in DESCRIBED["/v1/verdicts"]["POST"].body}
    assert kinds == {"application/json", "multipart/form-data"}


@DESCRIBED.parametrize()
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_request_is_answered_as_described_and_never_with_a_server_error(case: schemathesis.Case):
    case.call_and_validate(checks=RESPONSES)
