"""How much a request may bring beside its pictures. The rest of what is refused is tested through the API."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rewards.http.request import MAX_PROMPT, RequestError, from_form, from_json
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


def encoded() -> str:
    return json.loads(body({}))["pictures"][0]["image"]


@pytest.mark.parametrize(
    "image",
    [
        "\n".join(re.findall(".{1,20}", encoded())) + "\n",
        "\r\n".join(re.findall(".{1,76}", encoded())),
        f"data:image/png;base64,{encoded()}",
        f"DATA:image/png;charset=utf-8;BASE64,{encoded()}",
        f"data:;base64, \t{encoded()}",
    ],
)
def test_base64_comes_in_lines_and_in_data_urls(image: str):
    asked = json.dumps({"pictures": [{"image": image, "prompt": "a"}]}).encode()
    assert np.array_equal(from_json(asked, HttpConfig()).images[0], from_json(body({}), HttpConfig()).images[0])


def test_a_form_has_metadata_for_each_picture_or_for_all():
    picture, limits = base64.b64decode(encoded()), HttpConfig()
    assert from_form([picture] * 2, ["a"], [], limits).metadata == [{}, {}]
    assert from_form([picture] * 2, ["a"], ['{"class": "cat"}'], limits).metadata == [{"class": "cat"}] * 2
    assert from_form([picture] * 2, ["a"], ["{}", '{"n": 1}'], limits).metadata == [{}, {"n": 1}]
    with pytest.raises(RequestError, match="metadata: 2 sent for 3 images"):
        from_form([picture] * 3, ["a"], ["{}", "{}"], limits)


def test_a_picture_too_many_has_one_status_in_both_kinds_of_body():
    limits = HttpConfig(max_pictures=2)
    with pytest.raises(RequestError, match="pictures: 3 in one request; at most 2") as by_json:
        from_json(body({}, {}, {}), limits)
    with pytest.raises(RequestError, match="image: 3 in one request; at most 2") as by_form:
        from_form([base64.b64decode(encoded())] * 3, ["a"], [], limits)
    assert by_json.value.status == by_form.value.status == 413
