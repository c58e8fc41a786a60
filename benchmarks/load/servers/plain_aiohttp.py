"""A plain aiohttp proxy: an application, one session, a streamed reply; run with PORT UPSTREAM."""

import sys
from collections.abc import AsyncIterator
from typing import Final

import uvloop
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

HOPS: Final = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
PORT, UPSTREAM = int(sys.argv[1]), sys.argv[2]


async def lifespan(app: web.Application) -> AsyncIterator[None]:
    """One session for all requests, without limits of its own."""
    async with ClientSession(
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None),
        auto_decompress=False,
    ) as app[SESSION]:
        yield


async def forward(request: web.Request) -> web.StreamResponse:
    """Pass a request on, and its reply back, chunk by chunk."""
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOPS]
    body = request.content if request.body_exists else None
    async with request.app[SESSION].request(
        request.method, UPSTREAM + request.raw_path, headers=headers, data=body
    ) as reply:
        response = web.StreamResponse(status=reply.status, reason=reply.reason)
        for name, value in reply.headers.items():
            if name.lower() not in HOPS:
                response.headers.add(name, value)
        await response.prepare(request)
        async for chunk in reply.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


SESSION: Final = web.AppKey("session", ClientSession)

if __name__ == "__main__":
    application = web.Application(client_max_size=0)
    application.cleanup_ctx.append(lifespan)
    application.router.add_route("*", "/{tail:.*}", forward)
    web.run_app(
        application,
        host="127.0.0.1",
        port=PORT,
        backlog=4096,
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )
