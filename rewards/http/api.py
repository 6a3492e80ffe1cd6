"""The jury's HTTP API, as a FastAPI application."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from rewards.http.auth import TokenGuard
from rewards.http.prometheus import JudgeMetrics
from rewards.http.request import MAX_PROMPT, JuryRequest, RequestBody, from_form, from_json
from rewards.http.response import JuryResponse
from rewards.http.upload import UploadError
from rewards.serving.scoring import Jury, score
from rewards.settings.http import HttpConfig


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


class JudgeEntry(BaseModel):
    """A member of the jury. `version` changes whenever its verdicts could."""

    name: str
    kind: str
    role: Literal["train", "audit", "gate"]
    weight: float
    version: str


class JudgeList(BaseModel):
    judges: list[JudgeEntry]


class Health(BaseModel):
    status: Literal["ok"] = "ok"


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body cannot be read as what its content type says."},
    413: {"model": Problem, "description": "Too many bytes, pixels or pictures, or too much metadata."},
    415: {"model": Problem, "description": "The body is neither JSON nor a form, or a picture neither PNG nor JPEG."},
    422: {"model": Problem, "description": "Something is missing or wrong; `detail` says where."},
}
UNKNOWN: dict[int | str, dict[str, Any]] = {401: {"model": Problem, "description": "The bearer token is not right."}}

BEARER = HTTPBearer(auto_error=False, description="The token that the server was started with.")


def build_app(jury: Jury, config: HttpConfig, guard: TokenGuard) -> FastAPI:
    """The ASGI application that asks `jury`. Everything but the health check and the API's description is guarded.

    A judge's failure is part of an answer (a verdict with status error), never of the status code.
    """
    app = FastAPI(title="Salon's jury", description="Verdicts of frozen AI judges on pictures.", version="1")
    metrics = JudgeMetrics(list(jury.config.judges))

    def authenticate(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> None:
        if not guard.admits(sent.credentials if sent else None):
            raise HTTPException(401, "send the header `Authorization: Bearer TOKEN`", {"WWW-Authenticate": "Bearer"})

    guarded: dict[str, Any] = {} if guard.open else {"dependencies": [Depends(authenticate)]}
    refusals = UNKNOWN if guarded else {}

    @app.post(
        "/v1/verdicts",
        responses=refusals | REFUSALS,
        openapi_extra={"requestBody": _request_body(config)},
        **guarded,
    )
    async def verdicts(request: Request) -> JuryResponse:  # pyright: ignore[reportUnusedFunction]
        """Every judge's verdict on each picture, and the reward that a run would train on.

        Send JSON with base64 pictures, or a form with `image` files and `prompt` fields (one each, or one for all).
        """
        decoded = await _jury_request(request, config)
        judged = await score(jury, decoded.images, decoded.prompts, decoded.metadata)
        metrics.count(judged)
        return await asyncio.to_thread(JuryResponse.of, judged)

    @app.get("/v1/judges", responses=refusals, **guarded)
    async def judges() -> JudgeList:  # pyright: ignore[reportUnusedFunction]
        """The judges of the jury."""
        return JudgeList(
            judges=[
                JudgeEntry(
                    name=name, kind=judge.kind, role=judge.role, weight=judge.weight, version=jury.versions[name]
                )
                for name, judge in jury.config.judges.items()
            ]
        )

    @app.get(
        "/metrics",
        response_class=Response,
        responses=refusals | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        **guarded,
    )
    async def prometheus() -> Response:  # pyright: ignore[reportUnusedFunction]
        """Calls, failures, pictures and latencies by judge, for Prometheus."""
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz")
    async def healthz() -> Health:  # pyright: ignore[reportUnusedFunction]
        """Answers once every judge has loaded."""
        return Health()

    @app.exception_handler(UploadError)
    async def refuse(request: Request, error: UploadError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        return JSONResponse(Problem(detail=str(error)).model_dump(), error.status)

    @app.exception_handler(ClientDisconnect)
    async def forget(request: Request, error: ClientDisconnect) -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response(status_code=400)  # nobody reads it

    return app


async def _jury_request(request: Request, limits: HttpConfig) -> JuryRequest:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = await _body(request, limits.max_bytes)
        return await asyncio.to_thread(from_json, body, limits)
    if kind == "multipart/form-data":
        files, prompts = await _form(request, limits)
        return await asyncio.to_thread(from_form, files, prompts, limits)
    raise UploadError(415, f"content type {kind!r}; send application/json or multipart/form-data")


async def _body(request: Request, limit: int) -> bytes:
    """The body; reading stops with a refusal as soon as it is longer than `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise UploadError(413, f"the request has more than {limit:,} bytes; send fewer or smaller pictures")
        parts.append(part)
    return b"".join(parts)


async def _form(request: Request, limits: HttpConfig) -> tuple[list[bytes], list[str]]:
    """The form's `image` files and `prompt` fields."""
    body = await _body(request, limits.max_bytes)

    async def stream():
        yield body

    most = limits.max_pictures
    parser = MultiPartParser(request.headers, stream(), max_files=most, max_fields=most, max_part_size=8 * MAX_PROMPT)
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError) as error:
        raise UploadError(400, f"the form cannot be read ({getattr(error, 'message', error)})") from None
    files: list[bytes] = []
    prompts: list[str] = []
    try:
        for key, value in form.multi_items():
            if key == "image" and isinstance(value, UploadFile):
                files.append(await value.read())
            elif key == "prompt" and isinstance(value, str):
                prompts.append(value)
            else:
                raise UploadError(422, f"{key}: a form has `image` files and `prompt` fields, nothing else")
    finally:
        await form.close()
    return files, prompts


def _request_body(limits: HttpConfig) -> dict[str, Any]:
    """The two kinds of body, JSON and form, for the OpenAPI page."""
    json_schema = RequestBody.model_json_schema(ref_template="#/components/schemas/{model}")
    picture = json_schema.pop("$defs")["PictureRequest"]
    json_schema["properties"]["pictures"] |= {"items": picture, "maxItems": limits.max_pictures}
    image = {"type": "string", "format": "binary"}
    form_schema = {
        "type": "object",
        "required": ["image", "prompt"],
        "additionalProperties": False,
        "properties": {
            "image": {"type": "array", "items": image, "minItems": 1, "maxItems": limits.max_pictures},
            "prompt": {
                "type": "array",
                "items": {"type": "string", "maxLength": MAX_PROMPT},
                "minItems": 1,
                "maxItems": limits.max_pictures,
            },
        },
    }
    return {
        "required": True,
        "content": {"application/json": {"schema": json_schema}, "multipart/form-data": {"schema": form_schema}},
    }
