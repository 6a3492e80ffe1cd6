# pyright: strict
"""Requests to the HTTP API: pictures and prompts, as JSON or as a form."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rewards.arrays import ImageArray
from rewards.http.upload import UploadError, read_picture
from rewards.settings.http import HttpConfig

MAX_PROMPT = 4_000
"""characters; the longest text tower in use reads a few hundred tokens"""

MARKS_A_PICTURE = 8
"""commas and brackets of a picture's own, without those in its prompt and metadata"""

Prompt = Annotated[str, StringConstraints(max_length=MAX_PROMPT)]


class PictureRequest(BaseModel):
    """A picture and the prompt that it was made from."""

    model_config = ConfigDict(extra="forbid")

    image: str = Field(description="a PNG or JPEG in base64", json_schema_extra={"format": "byte"})
    prompt: Prompt
    metadata: dict[str, Any] = Field(default={}, description="metadata of the prompt that some judges use")


class RequestBody(BaseModel):
    """The body of a request for verdicts."""

    model_config = ConfigDict(extra="forbid")

    pictures: list[PictureRequest] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class JuryRequest:
    """Decoded pictures, each `[h, w, 3]` uint8, with a prompt and metadata each."""

    images: Sequence[ImageArray]
    prompts: Sequence[str]
    metadata: Sequence[Mapping[str, Any]]


def from_json(body: bytes, limits: HttpConfig) -> JuryRequest:
    """The request in a RequestBody as JSON. Raises UploadError with the key of what is wrong."""
    _check_marks(body, limits)
    try:
        asked = RequestBody.model_validate_json(body).pictures
    except ValidationError as error:
        raise UploadError(422, "; ".join(_error_lines(error))) from None
    if len(asked) > limits.max_pictures:
        raise UploadError(413, f"pictures: {len(asked)} in one request; at most {limits.max_pictures}")
    size = sum(len(json.dumps(picture.metadata, ensure_ascii=False)) for picture in asked)
    if size > limits.max_metadata:
        raise UploadError(413, f"metadata: has {size:,} characters as JSON; at most {limits.max_metadata:,}")
    images = [_picture(f"pictures[{i}].image", picture.image, limits) for i, picture in enumerate(asked)]
    return JuryRequest(images, [picture.prompt for picture in asked], [picture.metadata for picture in asked])


def _check_marks(body: bytes, limits: HttpConfig) -> None:
    """Refuses a body of more values than the limits allow before it is parsed: as objects they take 25 times its bytes.

    Each value but the first has a comma or a bracket of its own, and base64 has neither.
    """
    marks = sum(body.count(mark) for mark in (b",", b"[", b"{"))
    most = limits.max_pictures * (MAX_PROMPT + MARKS_A_PICTURE) + limits.max_metadata
    if marks > most:
        raise UploadError(
            413, f"the request has {marks:,} commas and brackets; prompts and metadata within the limits have {most:,}"
        )


def from_form(files: Sequence[bytes], prompts: Sequence[str], limits: HttpConfig) -> JuryRequest:
    """The request in a form with `image` files and `prompt` fields: one prompt for each image, or one for all.

    The form's parser limits how many there may be, before they are read.
    """
    if not files:
        raise UploadError(422, "image: is missing; send one or more files")
    if len(prompts) not in (1, len(files)):
        raise UploadError(422, f"prompt: {len(prompts)} sent for {len(files)} images; send one for each, or one")
    for i, prompt in enumerate(prompts):
        if len(prompt) > MAX_PROMPT:
            raise UploadError(422, f"prompt[{i}]: has {len(prompt)} characters; at most {MAX_PROMPT}")
    images = [_picture(f"image[{i}]", file, limits) for i, file in enumerate(files)]
    every = list(prompts) * (len(files) if len(prompts) == 1 else 1)
    return JuryRequest(images, every, [{} for _ in files])


def _picture(where: str, data: str | bytes, limits: HttpConfig) -> ImageArray:
    try:
        return read_picture(_decoded(data) if isinstance(data, str) else data, limits.max_pixels)
    except UploadError as error:
        raise UploadError(error.status, f"{where}: {error}") from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise UploadError(422, f"is not base64 ({error})") from None


def _error_lines(error: ValidationError) -> list[str]:
    """The first problems, with their keys and without what was sent."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)[:5]
    return [f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}" for problem in problems]
