"""``/metrics`` for Prometheus and whoever speaks its formats."""

import asyncio
from operator import itemgetter
from typing import Final

from aiohttp import web

from proxy.admin.source import Source
from proxy.http.accept import takes_gzip, weighed, weight_of
from proxy.http.fields import RawHeaders

_SMALL: Final = 1 << 10
"""Bytes that are not worth packing."""

_PLAIN: Final = (b"text/plain", b"text/*", b"*/*")


def accepted(fields: RawHeaders) -> str:
    """Accept, the most wanted first, but for what is wanted less than Prometheus's text.

    prometheus_client knows no weights, and has that text for whoever names nothing that it knows.
    """
    asked = list(weighed(fields, b"accept"))
    weights: dict[bytes, float] = {}
    for _, kind, weight in asked:  # of several versions, the one that is wanted most
        weights[kind] = max(weight, weights.get(kind, 0.0))
    plain = weight_of(weights, *_PLAIN)
    wanted = [(member, weight) for member, _, weight in asked if 0.0 < weight >= plain]
    wanted.sort(key=itemgetter(1), reverse=True)
    return b",".join(member.lower() for member, _ in wanted).decode("latin-1")


def add_metrics(app: web.Application, source: Source) -> None:
    """Answer with the samples of ``source``."""
    # Its library is of no use to a proxy without this listener: 35 ms and 3 MiB.
    from proxy.telemetry.metrics import in_parts  # noqa: PLC0415 - 40 ms, at the first look

    async def metrics(request: web.Request) -> web.Response:
        told = await source.metrics()
        # With hundreds of routes this takes a second, in which the loop has better things to do. A
        # thread would hold it up more: for up to 5 ms at each turn, while the thread runs.
        body = bytearray()
        parts, content_type = in_parts(told, accepted(request.raw_headers))
        for part in parts:
            body += part
            await asyncio.sleep(0)
        response = web.Response(body=bytes(body), headers={"Content-Type": content_type})
        if len(body) >= _SMALL and takes_gzip(request.raw_headers):
            response.enable_compression(web.ContentCoding.gzip)
        return response

    app.router.add_get("/metrics", metrics)
