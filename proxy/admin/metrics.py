"""``/metrics`` for Prometheus and whoever speaks its formats."""

import asyncio
from typing import Final

from aiohttp import web

from proxy.admin.source import Source

_SMALL: Final = 1 << 10
"""Bytes that are not worth packing."""


def add_metrics(app: web.Application, source: Source) -> None:
    """Answer with the samples of ``source``."""
    # Its library is of no use to a proxy without this listener: 35 ms and 3 MiB.
    from proxy.telemetry.metrics import in_parts  # noqa: PLC0415 - 40 ms, at the first look

    async def metrics(request: web.Request) -> web.Response:
        told = await source.metrics()
        accept = ", ".join(request.headers.getall("Accept", []))
        # With hundreds of routes this takes a second, in which the loop has better things to do. A
        # thread would hold it up more: for up to 5 ms at each turn, while the thread runs.
        body = bytearray()
        parts, content_type = in_parts(told, accept)
        for part in parts:
            body += part
            await asyncio.sleep(0)
        response = web.Response(body=bytes(body), headers={"Content-Type": content_type})
        if len(body) >= _SMALL and "gzip" in request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        return response

    app.router.add_get("/metrics", metrics)
