"""Writes that take another route than what is stored came on."""

from typing import Any

import pytest

from tests.support.message import get, length, post
from tests.support.proxy import fronted, proxied
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


async def test_a_reply_names_its_upstream_by_the_address_that_is_configured() -> None:
    """The proxy tells the client another one (RFC 9110 10.2.2); what is meant is the same."""
    async with fronted([OLD], routes=ONE_ROUTE) as (upstream, proxy):
        location = b"Location: %b/made\r\n" % upstream.url.encode()
        created = length(b"", status=b"201 Created", fields=location)
        upstream.play([OLD], [created], [NEW])
        assert [(await proxy.ask(get("/made"))).body for _ in range(2)] == [b"old", b"old"]
        assert (await proxy.ask(post(b"x"))).status == 201
        assert (await proxy.ask(get("/made"))).body == b"new"


async def test_a_route_that_stays_counts_writes_for_one_that_a_reload_brings() -> None:
    plain = {"upstream": "api", "path": "/", "methods": ["POST"]}
    cached = {"upstream": "api", "path": "/", "methods": ["GET"], "cache": {}}
    scripts = [OLD], [DONE], [NEW]
    async with fronted(*scripts, routes=[plain]) as (_, proxy):
        await proxy.reload(routes=[plain, cached])
        assert [(await proxy.ask(get())).body for _ in range(2)] == [b"old", b"old"]
        assert (await proxy.ask(post(b"x"))).body == b"done"
        assert (await proxy.ask(get())).body == b"new"


async def test_a_write_counts_while_a_reload_has_taken_the_cache_away() -> None:
    other = {"upstream": "api", "path": "/other", "cache": {}}
    plain = {"upstream": "api", "cache": False}
    cached = {"upstream": "api", "cache": {}}
    scripts = [OLD], [DONE], [NEW]
    async with fronted(*scripts, routes=[cached, other]) as (_, proxy):
        assert [(await proxy.ask(get())).body for _ in range(2)] == [b"old", b"old"]
        await proxy.reload(routes=[plain, other])
        assert (await proxy.ask(post(b"x"))).body == b"done"
        await proxy.reload(routes=[cached, other])
        assert (await proxy.ask(get())).body == b"new"


async def test_a_write_without_a_prefix_counts_for_what_was_stored_with_one() -> None:
    routes = [
        {"upstream": "api", "path": "/v1", "strip_prefix": "/v1", "cache": {}},
        {"upstream": "api", "cache": False},
    ]
    async with fronted([OLD], [DONE], [NEW], routes=routes) as (_, proxy):
        assert [(await proxy.ask(get("/v1/"))).body for _ in range(2)] == [b"old", b"old"]
        assert (await proxy.ask(post(b"x"))).body == b"done"
        assert (await proxy.ask(get("/v1/"))).body == b"new"
