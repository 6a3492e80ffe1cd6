"""How much a request may bring beside its pictures. The rest of what is refused is tested through the API."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from rewards.http.request import MAX_PROMPT, RequestError, from_json
from rewards.settings.http import HttpConfig


def body(*metadata: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    image = base64.b64encode(file.getvalue()).decode()
    return json.dumps({"pictures": [{"image": image, "prompt": "", "metadata": one} for one in metadata]}).encode()


def test_the_metadata_of_a_request_is_limited_all_its_pictures_together():
    metadata = {"questions": [{"question": "a"}] * 30}
    size = len(json.dumps(metadata))
    assert from_json(body(metadata, metadata), HttpConfig(max_metadata=2 * size)).metadata == [metadata, metadata]
    with pytest.raises(
        RequestError, match=f"metadata: has {2 * size:,} characters as JSON; at most {size:,}"
    ) as refused:
        from_json(body(metadata, metadata), HttpConfig(max_metadata=size))
    assert refused.value.status == 413


def test_metadata_of_thousands_of_questions_is_refused_by_default():
    with pytest.raises(RequestError, match="at most 100,000"):
        from_json(body({"questions": [{"question": "a"}] * 10_000}), HttpConfig())


def test_a_body_of_too_many_values_is_refused_before_it_is_parsed():
    with pytest.raises(RequestError, match=r"has 1,000,001 commas and brackets; .* within the limits have") as refused:
        from_json(b'{"pictures": [' + b"1," * 999_999, HttpConfig())  # not even JSON
    assert refused.value.status == 413


def test_whatever_the_other_limits_allow_has_few_enough_marks():
    limits = HttpConfig(max_pictures=2, max_metadata=2_012)
    metadata = {"": [[]] * 250}
    assert len(json.dumps(metadata)) * 2 == limits.max_metadata
    asked = json.loads(body(metadata, metadata))
    for picture in asked["pictures"]:
        picture["prompt"] = "," * MAX_PROMPT
    assert from_json(json.dumps(asked).encode(), limits).prompts == ["," * MAX_PROMPT] * 2
