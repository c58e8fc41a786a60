"""FastAPI in front of an aiohttp session, on uvicorn; run with PORT UPSTREAM."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn  # type: ignore[import-not-found,unused-ignore]
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from fastapi import FastAPI, Request  # type: ignore[import-not-found,unused-ignore]
from fastapi.responses import StreamingResponse  # type: ignore[import-not-found,unused-ignore]

HOPS: Final = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
PORT, UPSTREAM = int(sys.argv[1]), sys.argv[2]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """One session for all requests, without limits of its own."""
    async with ClientSession(
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None),
        auto_decompress=False,
    ) as app.state.session:
        yield


async def forward(request: Request) -> StreamingResponse:
    """Pass a request on, and its reply back, chunk by chunk."""
    headers = [(name, value) for name, value in request.headers.items() if name not in HOPS]
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    target = request.scope["raw_path"].decode("ascii")
    if query := request.scope["query_string"]:
        target += "?" + query.decode("ascii")
    reply = await request.app.state.session.request(
        request.method,
        UPSTREAM + target,
        headers=headers,
        data=request.stream() if has_body else None,
    )

    async def chunks() -> AsyncIterator[bytes]:
        async with reply:
            async for chunk in reply.content.iter_any():
                yield chunk

    response = StreamingResponse(chunks(), status_code=reply.status)
    response.raw_headers = [
        (name.lower(), value)
        for name, value in reply.raw_headers
        if name.decode("latin-1").lower() not in HOPS
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
