"""FastAPI in front of an httpx client, on uvicorn; run with PORT UPSTREAM."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx  # type: ignore[import-not-found,unused-ignore]
import uvicorn  # type: ignore[import-not-found,unused-ignore]
from fastapi import FastAPI, Request  # type: ignore[import-not-found,unused-ignore]
from fastapi.responses import StreamingResponse  # type: ignore[import-not-found,unused-ignore]
from starlette.background import BackgroundTask  # type: ignore[import-not-found,unused-ignore]

HOPS: Final = {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
PORT, UPSTREAM = int(sys.argv[1]), sys.argv[2]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """One client for all requests, without limits of its own."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as app.state.client:
        yield


async def forward(request: Request) -> StreamingResponse:
    """Pass a request on, and its reply back, chunk by chunk."""
    client: httpx.AsyncClient = request.app.state.client
    names = {name for name, _ in request.headers.raw}
    has_body = b"content-length" in names or b"transfer-encoding" in names
    target = request.scope["raw_path"].decode("ascii")
    if query := request.scope["query_string"]:
        target += "?" + query.decode("ascii")
    reply = await client.send(
        client.build_request(
            request.method,
            UPSTREAM + target,
            headers=[field for field in request.headers.raw if field[0] not in HOPS],
            content=request.stream() if has_body else None,
        ),
        stream=True,
    )
    response = StreamingResponse(
        reply.aiter_raw(),
        status_code=reply.status_code,
        background=BackgroundTask(reply.aclose),
    )
    response.raw_headers = [
        (name.lower(), value) for name, value in reply.headers.raw if name.lower() not in HOPS
    ]
    return response


if __name__ == "__main__":
    application = FastAPI(lifespan=lifespan, openapi_url=None)
    application.add_api_route("/{path:path}", forward, methods=["GET", "POST"], response_model=None)
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=PORT,
        backlog=4096,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
