# pyright: strict
"""Requests to the HTTP API: pictures, prompts and metadata, as JSON or as a form."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rewards.pictures.reader import PictureError, read_picture
from rewards.settings.http import HttpConfig
from rewards.text import parse_json
from rewards.user_input.plain_values import unreadable

MAX_PROMPT = 4_000
"""characters; the longest text tower in use reads a few hundred tokens"""

MARKS_A_PICTURE = 8
"""commas and brackets of a picture's own, without those in its prompt and metadata"""

_LONGEST_PREFIX = 200
"""characters of a `data:` URL before its data"""

Prompt = Annotated[str, StringConstraints(max_length=MAX_PROMPT)]


class RequestError(ValueError):
    """The request cannot be answered as it is; `status` is the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class PictureRequest(BaseModel):
    """A picture and the prompt that it was made from."""

    model_config = ConfigDict(extra="forbid")

    image: str = Field(
        description="a PNG or JPEG in base64, with or without line breaks, or a `data:` URL of one",
        json_schema_extra={"format": "byte"},
    )
    prompt: Prompt
    metadata: dict[str, Any] = Field(default={}, description="metadata of the prompt that some judges use")


class RequestBody(BaseModel):
    """The body of a request for verdicts."""

    model_config = ConfigDict(extra="forbid")

    pictures: list[PictureRequest] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class JuryRequest:
    """Decoded pictures, each `[h, w, 3]` uint8, with a prompt and metadata each."""

    images: Sequence[np.ndarray]
    prompts: Sequence[str]
    metadata: Sequence[Mapping[str, Any]]


def from_json(body: bytes, limits: HttpConfig) -> JuryRequest:
    """The request in a RequestBody as JSON. Raises RequestError with the key of what is wrong."""
    _check_marks(body, limits)
    try:
        asked = RequestBody.model_validate_json(body.removeprefix(b"\xef\xbb\xbf")).pictures
    except ValidationError as error:
        raise RequestError(422, "; ".join(_error_lines(error))) from None
    _check_count("pictures", len(asked), limits)
    metadata = [picture.metadata for picture in asked]
    _check_metadata(metadata, limits)
    images = [_picture(f"pictures[{i}].image", picture.image, limits) for i, picture in enumerate(asked)]
    return JuryRequest(images, [picture.prompt for picture in asked], metadata)


def from_form(
    files: Sequence[bytes], prompts: Sequence[str], metadata: Sequence[str], limits: HttpConfig
) -> JuryRequest:
    """The request in a form with `image` files, `prompt` fields and `metadata` fields, which are objects in JSON.

    Of prompts and of metadata there is one for each image, or one for all; metadata may be left out. Raises
    RequestError.
    """
    _check_count("image", len(files), limits)
    if not files:
        raise RequestError(422, "image: is missing; send one or more files")
    for what, texts, fewest in (("prompt", prompts, 1), ("metadata", metadata, 0)):
        if len(texts) not in (fewest, 1, len(files)):
            raise RequestError(422, f"{what}: {len(texts)} sent for {len(files)} images; send one for each, or one")
    for i, prompt in enumerate(prompts):
        if len(prompt) > MAX_PROMPT:
            raise RequestError(422, f"prompt[{i}]: has {len(prompt)} characters; at most {MAX_PROMPT}")
    objects = [_object(f"metadata[{i}]", text, limits) for i, text in enumerate(metadata)] or [{}]
    every = objects if len(objects) > 1 else objects * len(files)
    _check_metadata(every, limits)
    images = [_picture(f"image[{i}]", file, limits) for i, file in enumerate(files)]
    return JuryRequest(images, prompts if len(prompts) > 1 else [prompts[0]] * len(files), every)


def _check_count(what: str, count: int, limits: HttpConfig) -> None:
    if count > limits.max_pictures:
        raise RequestError(413, f"{what}: {count} in one request; at most {limits.max_pictures}")


def _check_marks(body: bytes, limits: HttpConfig) -> None:
    """Refuses a body of more values than the limits allow before it is parsed: as objects they take 25 times its bytes.

    Each value but the first has a comma or a bracket of its own, and base64 has neither; a `data:` URL has one.
    """
    marks = sum(body.count(mark) for mark in (b",", b"[", b"{"))
    most = limits.max_pictures * (MAX_PROMPT + MARKS_A_PICTURE) + limits.max_metadata
    if marks > most:
        raise RequestError(
            413, f"the request has {marks:,} commas and brackets; prompts and metadata within the limits have {most:,}"
        )


def _check_metadata(metadata: Sequence[Mapping[str, Any]], limits: HttpConfig) -> None:
    for i, one in enumerate(metadata):
        if reason := unreadable(one):
            raise RequestError(422, f"metadata of picture {i}: {reason}")
    size = sum(len(json.dumps(one, ensure_ascii=False)) for one in metadata)
    if size > limits.max_metadata:
        raise RequestError(413, f"metadata: has {size:,} characters as JSON; at most {limits.max_metadata:,}")


def _object(where: str, text: str, limits: HttpConfig) -> dict[str, Any]:
    if len(text) > limits.max_metadata:
        raise RequestError(413, f"{where}: has {len(text):,} characters; at most {limits.max_metadata:,}")
    try:
        value: object = parse_json(text, where)
    except ValueError as error:
        raise RequestError(422, str(error)) from None
    if not isinstance(value, dict):
        raise RequestError(422, f'{where}: is no JSON object such as {{"class": "cat"}}')
    return cast("dict[str, Any]", value)


def _picture(where: str, data: bytes | str, limits: HttpConfig) -> np.ndarray:
    try:
        return read_picture(_bytes_of(data) if isinstance(data, str) else data, limits.max_pixels)
    except (PictureError, RequestError) as error:
        raise RequestError(error.status, f"{where}: {error}") from None


def _bytes_of(text: str) -> bytes:
    """What base64 stands for, as an encoder breaks it into lines or a browser writes it as a `data:` URL."""
    scheme, comma, data = text[:_LONGEST_PREFIX].partition(",")
    if comma and scheme.lower().startswith("data:"):
        if not scheme.lower().endswith(";base64"):
            raise RequestError(422, "is a `data:` URL that is not in base64")
        text = data + text[_LONGEST_PREFIX:]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise RequestError(422, f"is not base64 ({error})") from None


def _error_lines(error: ValidationError) -> list[str]:
    """The first problems, with their keys and without what was sent."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)[:5]
    return [f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}" for problem in problems]
