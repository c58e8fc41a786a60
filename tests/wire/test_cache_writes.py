"""Writes that take another route than what is stored came on."""

from typing import Any

import pytest

from tests.support.message import get, length, post
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream

LIFE = b"Cache-Control: max-age=60\r\n"
OLD, NEW = length(b"old", fields=LIFE), length(b"new", fields=LIFE)
DONE = length(b"done")

ONE_ROUTE = [
    {"upstream": "api", "methods": ["GET"], "cache": {}},
    {"upstream": "api", "cache": False},
]
OTHER_UPSTREAM = [
    {"upstream": "api", "methods": ["GET"], "cache": {}},
    {"upstream": "writer", "cache": False},
]


@pytest.mark.parametrize("routes", [ONE_ROUTE, OTHER_UPSTREAM], ids=["one", "two upstreams"])
async def test_a_write_counts_whichever_route_it_takes(routes: list[dict[str, Any]]) -> None:
    async with RawUpstream([OLD], [DONE], [NEW]) as upstream, RawUpstream([DONE]) as writer:
        if routes is OTHER_UPSTREAM:
            upstream.play([OLD], [NEW])
        others = [{"name": "writer", "servers": [writer.url]}]
        async with proxied(upstream, routes=routes, others=others) as proxy:
            assert [(await proxy.ask(get())).body for _ in range(2)] == [b"old", b"old"]
            assert (await proxy.ask(post(b"x"))).body == b"done"
            assert (await proxy.ask(get())).body == b"new"
