# pyright: strict
"""The body of a request for verdicts: read as far as the limits allow, then as JSON or as a form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from rewards.http.admission import Admission, TooLong, TooSlow
from rewards.http.request import MAX_PROMPT, JuryRequest, RequestBody, RequestError, from_form, from_json
from rewards.settings.http import HttpConfig
from rewards.text import decode_text

KINDS = ("application/json", "multipart/form-data")


@asynccontextmanager
async def received_body(request: Request, admission: Admission, limits: HttpConfig) -> AsyncGenerator[bytes]:
    """Context manager: the whole body of `request`. Raises RequestError, and Busy as `admission` does."""
    kind = content_type(request.headers)
    if kind not in KINDS:
        raise RequestError(415, f"content type {kind!r}; send {' or '.join(KINDS)}")
    declared = request.headers.get("content-length", "")
    too_long = RequestError(
        413, f"the request has more than {limits.max_bytes:,} bytes; send fewer or smaller pictures"
    )
    if declared.isdecimal() and int(declared[:20]) > limits.max_bytes:
        raise too_long
    try:
        async with admission.body(request.stream()) as body:
            yield body
    except TooLong:
        raise too_long from None
    except TooSlow:
        raise RequestError(408, f"the body of the request did not arrive in {limits.body_timeout_s:g} s") from None


async def read_request(headers: Headers, body: bytes, limits: HttpConfig) -> JuryRequest:
    """What is asked in `body`. Raises RequestError with the reason."""
    if content_type(headers) == "application/json":
        return await asyncio.to_thread(from_json, body, limits)
    files, texts = await _form(headers, body, limits)
    return await asyncio.to_thread(from_form, files, texts["prompt"], texts["metadata"], limits)


def content_type(headers: Headers) -> str:
    """The content type without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def _form(headers: Headers, body: bytes, limits: HttpConfig) -> tuple[list[bytes], dict[str, list[str]]]:
    """The form's `image` files, and its `prompt` and `metadata` fields by name."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        _as_bytes(headers),
        stream(),
        max_files=limits.max_pictures,
        max_fields=2 * limits.max_pictures,
        max_part_size=max(8 * MAX_PROMPT, 4 * limits.max_metadata),
    )
    parser.spool_max_size = limits.max_bytes + 1  # it is in memory already
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError) as error:
        reason = str(getattr(error, "message", error))
        # More pictures than allowed are as much too many as in JSON.
        status = 413 if reason.startswith(("Too many", "Part exceeded")) else 400
        raise RequestError(status, f"the form cannot be read ({reason.rstrip('.')})") from None
    files: list[bytes] = []
    texts: dict[str, list[str]] = {"prompt": [], "metadata": []}
    try:
        for key, value in form.multi_items():
            if key == "image" and isinstance(value, UploadFile):
                files.append(await value.read())
            elif key in texts and isinstance(value, str):
                texts[key].append(_text(value, f"{key}[{len(texts[key])}]"))
            else:
                raise RequestError(
                    422, f"{key}: a form has `image` files, `prompt` and `metadata` fields, and nothing else"
                )
    finally:
        await form.close()
    return files, texts


def _as_bytes(headers: Headers) -> Headers:
    """Headers by which the parser takes each byte of a text for a character.

    By others it would read what is not in the charset that they name as Latin-1, and nobody would know.
    """
    boundary = parse_options_header(headers["content-type"])[1].get(b"boundary", b"").decode("latin-1")
    quoted = boundary.replace("\\", "\\\\").replace('"', '\\"')
    named = f'; boundary="{quoted}"' if boundary else ""
    return Headers({"content-type": f"multipart/form-data{named}; charset=latin-1"})


def _text(characters: str, where: str) -> str:
    try:
        return decode_text(characters.encode("latin-1"), where)
    except ValueError as error:
        raise RequestError(422, str(error).partition(";")[0]) from None


def request_body(limits: HttpConfig) -> dict[str, Any]:
    """The two kinds of body, JSON and form, for the OpenAPI document."""
    json_schema = RequestBody.model_json_schema(ref_template="#/components/schemas/{model}")
    picture = json_schema.pop("$defs")["PictureRequest"]
    json_schema["properties"]["pictures"] |= {"items": picture, "maxItems": limits.max_pictures}
    most = {"maxItems": limits.max_pictures}
    prompt = {"type": "string", "maxLength": MAX_PROMPT}
    metadata = {"type": "string", "description": "a JSON object; one for each image, or one for all"}
    form_schema = {
        "type": "object",
        "required": ["image", "prompt"],
        "additionalProperties": False,
        "properties": {
            "image": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1} | most,
            "prompt": {"type": "array", "items": prompt, "minItems": 1} | most,
            "metadata": {"type": "array", "items": metadata} | most,
        },
    }
    return {
        "required": True,
        "content": {"application/json": {"schema": json_schema}, "multipart/form-data": {"schema": form_schema}},
    }
