"""The jury's HTTP API, as a FastAPI application."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from rewards.http.admission import Admission, Busy
from rewards.http.auth import TokenGuard
from rewards.http.body import read_request, received_body, request_body
from rewards.http.prometheus import JudgeMetrics
from rewards.http.request import RequestError
from rewards.http.response import JuryResponse
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
    408: {"model": Problem, "description": "The body did not arrive in time."},
    413: {"model": Problem, "description": "Too many bytes, pixels or pictures, or too much metadata."},
    415: {"model": Problem, "description": "The body is neither JSON nor a form, or a picture neither PNG nor JPEG."},
    422: {"model": Problem, "description": "Something is missing or wrong; `detail` says where."},
    503: {
        "model": Problem,
        "description": "Too many requests at once.",
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}},
    },
}
UNKNOWN: dict[int | str, dict[str, Any]] = {401: {"model": Problem, "description": "The bearer token is not right."}}

BEARER = HTTPBearer(auto_error=False, description="The token that the server was started with.")


def build_app(jury: Jury, config: HttpConfig, guard: TokenGuard) -> FastAPI:
    """The ASGI application that asks `jury`. Everything but the health check and the API's description is guarded.

    A judge's failure is part of an answer (a verdict with status error), never of the status code.
    """
    # Its pages at /docs and /redoc come with what they need, where FastAPI's own want the internet.
    app = FastAPIOffline(title="Salon's jury", description="Verdicts of frozen AI judges on pictures.", version="1")
    admission = Admission(config.max_bytes, config.body_timeout_s)
    metrics = JudgeMetrics(list(jury.config.judges))

    def authenticate(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> None:
        if not guard.admits(sent.credentials if sent else None):
            raise HTTPException(401, "send the header `Authorization: Bearer TOKEN`", {"WWW-Authenticate": "Bearer"})

    guarded: dict[str, Any] = {} if guard.open else {"dependencies": [Depends(authenticate)]}
    refusals = UNKNOWN if guarded else {}

    @app.post(
        "/v1/verdicts",
        responses=refusals | REFUSALS,
        response_model=JuryResponse,
        openapi_extra={"requestBody": request_body(config)},
        **guarded,
    )
    async def verdicts(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Every judge's verdict on each picture, and the reward that a run would train on.

        Send JSON with base64 pictures, or a form with `image` files, `prompt` fields and, if judges read it, `metadata`
        fields with JSON objects (one each, or one for all).
        """

        async def answer(body: bytes) -> bytes:
            async with admission.place():
                decoded = await read_request(request.headers, body, config)
                judged = await score(jury, decoded.images, decoded.prompts, decoded.metadata)
                metrics.count(judged)
                return await asyncio.to_thread(lambda: JuryResponse.of(judged).model_dump_json().encode())

        async with received_body(request, admission, config) as body:
            answered = await _unless_gone(request, answer(body))
        return Response(answered, media_type="application/json")

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

    @app.exception_handler(RequestError)
    async def refuse(request: Request, error: RequestError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        # Who is late with a body has the connection closed: what may still come is no other request.
        headers = {"Connection": "close"} if error.status == 408 else None
        return JSONResponse(Problem(detail=str(error)).model_dump(), error.status, headers)

    @app.exception_handler(Busy)
    async def turn_away(request: Request, busy: Busy) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        headers = {"Retry-After": str(busy.retry_after_s)}
        return JSONResponse(Problem(detail=str(busy)).model_dump(), 503, headers)

    @app.exception_handler(ClientDisconnect)
    async def forget(request: Request, error: ClientDisconnect) -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response(status_code=400)  # nobody reads it

    return app


async def _unless_gone(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """What `work` gives; ends it when the client goes, so that nothing is judged for nobody. Its body has been read."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(request.receive())  # after the body comes nothing but the end
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
