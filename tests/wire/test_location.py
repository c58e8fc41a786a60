"""Redirects and cookies of an upstream whose host or path a route changes."""

from typing import Any

import pytest

from tests.support.message import get, length
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream

FIELDS = b"Location: /login\r\nSet-Cookie: a=b; Path=/\r\nset-COOKIE: c=d\r\nX-A:  b\r\n"


@pytest.mark.parametrize("status", [b"201 Created", b"302 Found", b"307 Temporary Redirect"])
async def test_a_redirect_leads_back_through_the_route(status: bytes) -> None:
    route = {"path": "/v1", "strip_prefix": "/v1", "upstream": "api"}
    async with fronted(
        ["wait-body", length(b"", status, FIELDS)],
        routes=[route],
    ) as (upstream, proxy):
        answer = await proxy.ask(get("/v1/x"))
        assert upstream.requests[0].line == b"GET /x HTTP/1.1"
        assert answer.lines[:4] == [
            b"Location: /v1/login",
            b"Set-Cookie: a=b; Path=/v1",
            b"set-COOKIE: c=d",
            b"X-A: b",
        ]


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ({}, b"http://proxy.test/a"),
        ({"rewrite_location": False}, None),
    ],
)
async def test_the_upstreams_own_host_becomes_the_clients(
    route: dict[str, Any], told: bytes | None
) -> None:
    async with RawUpstream() as upstream:
        own = b"http://127.0.0.1:%d/a" % upstream.port
        upstream.play(["wait-body", length(b"", b"302 Found", b"Location: %b\r\n" % own)])
        async with proxied(
            upstream,
            upstream_options={"host_header": "upstream"},
            routes=[{"upstream": "api", **route}],
        ) as proxy:
            assert (await proxy.ask(get())).value("location") == (told or own)


@pytest.mark.parametrize("name", [b"Location", b"Content-Location", b"Refresh"])
@pytest.mark.parametrize(
    ("path", "told"),
    [(b"", b"/v1/"), (b"?q=1", b"/v1/?q=1"), (b"#f", b"/v1/#f"), (b"/", b"/v1/")],
)
async def test_a_url_of_the_upstream_without_a_path_leads_back_through_the_route(
    name: bytes, path: bytes, told: bytes
) -> None:
    """RFC 9110 4.2.3: an empty path is that of the root."""
    route = {"path": "/v1", "strip_prefix": "/v1", "upstream": "api"}
    before = b"0; url=" if name == b"Refresh" else b""
    async with RawUpstream() as upstream:
        line = b"%b: %bhttp://127.0.0.1:%d%b\r\n" % (name, before, upstream.port, path)
        upstream.play(["wait-body", length(b"", b"201 Created", line)])
        async with proxied(upstream, routes=[route]) as proxy:
            answer = await proxy.ask(get("/v1/x"))
            assert answer.value(name.decode()) == b"%bhttp://proxy.test%b" % (before, told)
