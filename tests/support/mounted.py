"""The proxy as an application of aiohttp, served by aiohttp's own server."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from proxy import create_app
from tests.support.upstream import RawUpstream

OK = b"HTTP/1.1 200 OK\r\nx-Odd: 1\r\nContent-Length: 2\r\n\r\nok"


def tables(upstream: RawUpstream, **more: Any) -> dict[str, Any]:
    return {"upstreams": [{"name": "api", "servers": [upstream.url]}], **more}


@contextlib.asynccontextmanager
async def served(
    app: web.Application, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[tuple[str, int]]:
    """By aiohttp's own server."""
    runner = web.AppRunner(app, **{"access_log": None, **options})
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        host, port = runner.addresses[0][:2]
        yield host, port
    finally:
        await runner.cleanup()


def mounted(config: dict[str, Any], prefix: str) -> web.Application:
    app = create_app(config)
    if not prefix:
        return app
    parent = web.Application()

    async def own(_: web.Request) -> web.Response:
        return web.Response(text="its own")

    parent.router.add_get("/own", own)
    parent.add_subapp(prefix, app)
    return parent
