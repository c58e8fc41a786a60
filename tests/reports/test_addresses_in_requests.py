"""Where a route changes host or path, what a request says of addresses is changed with them.

``Destination`` of WebDAV's COPY and MOVE, tags in ``If``, and X-Forwarded-Prefix for the upstream
that builds links.
"""

from typing import Any

import pytest

from tests.support.message import get
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream

LONG = 30.0
STRIP = {"path": "/v1", "strip_prefix": "/v1"}
BOTH = {**STRIP, "add_prefix": "/dav"}


def ask(fields: str, method: str = "MOVE", target: str = "/v1/a") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: proxy.test\r\n{fields}\r\n\r\n".encode()


DESTINATIONS: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    # route, upstream, what the client says, what the upstream is told
    (STRIP, {}, "http://proxy.test/v1/b", "http://proxy.test/b"),
    (STRIP, {}, "https://proxy.test/v1/b", "http://proxy.test/b"),
    (STRIP, {}, "HTTPS://Proxy.Test:443/v1/b?c", "http://proxy.test/b?c"),
    (STRIP, {}, "http://proxy.test:80/v1/b%2Fc", "http://proxy.test/b%2Fc"),
    (STRIP, {}, "/v1/b", "/b"),
    (STRIP, {}, "http://proxy.test/v1", "http://proxy.test/"),
    (STRIP, {}, "http://other.test/v1/b", "http://other.test/v1/b"),
    (STRIP, {}, "//other.test/v1/b", "//other.test/v1/b"),
    (STRIP, {}, "b", "b"),
    (BOTH, {}, "http://proxy.test/v1/b", "http://proxy.test/dav/b"),
    ({"add_prefix": "/dav"}, {}, "http://proxy.test/b", "http://proxy.test/dav/b"),
    (
        {"rewrite": {"pattern": "^/v1/(.*)", "replacement": r"/x/\1"}},
        {},
        "http://proxy.test/v1/b",
        "http://proxy.test/x/b",
    ),
    (STRIP, {"host_header": "dav.test"}, "https://proxy.test/v1/b", "http://dav.test/b"),
    ({}, {"host_header": "dav.test"}, "https://proxy.test/v1/b", "http://dav.test/v1/b"),
    ({}, {"host_header": "upstream"}, "http://proxy.test/b", "http://{own}/b"),
    ({**STRIP, "rewrite_location": False}, {}, "http://proxy.test/v1/b", "http://proxy.test/v1/b"),
    ({}, {}, "https://proxy.test/v1/b", "https://proxy.test/v1/b"),
]


@pytest.mark.parametrize("method", ["MOVE", "COPY"])
@pytest.mark.parametrize(("route", "options", "given", "told"), DESTINATIONS)
async def test_a_destination_is_the_upstreams(
    route: dict[str, Any], options: dict[str, Any], given: str, told: str, method: str
) -> None:
    async with fronted(
        routes=[{"upstream": "api", **route}],
        upstream_options=options,
    ) as (upstream, proxy):
        answer = await proxy.ask(ask(f"destination: {given}", method), patience=LONG)
        assert answer.status == 200
        own = upstream.url.removeprefix("http://")
        assert upstream.requests[0].head.value("Destination") == told.format(own=own).encode()


@pytest.mark.parametrize(
    "given",
    [
        "http://proxy.test/other",
        "http://proxy.test/v10/b",
        "http://proxy.test",
        "/other",
        "http://proxy.test/v1/../../b",
        "/v1/%2e%2e/%2e%2e/b",
    ],
)
async def test_nothing_is_written_where_the_route_does_not_reach(given: str) -> None:
    routes = [{"upstream": "api", **STRIP}]
    async with fronted(routes=routes) as (upstream, proxy):
        assert (await proxy.ask(ask(f"Destination: {given}"), patience=LONG)).status == 400
        assert not upstream.requests


async def test_servers_with_names_of_their_own_are_told_a_path() -> None:
    routes = [{"upstream": "api", **STRIP}]
    async with RawUpstream() as one, RawUpstream() as two:
        options = {"servers": [one.url, two.url], "host_header": "upstream"}
        async with proxied(one, routes=routes, upstream_options=options) as proxy:
            await proxy.ask(ask("Destination: http://proxy.test/v1/b"), patience=LONG)
        [request] = one.requests + two.requests
        assert request.head.value("Destination") == b"/b"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("<http://proxy.test/v1/a> (<urn:uuid:1>)", "<http://proxy.test/a> (<urn:uuid:1>)"),
        (
            '</v1/a> (Not <urn:1> ["x)y"]) </v1/b> ([W/"z"])',
            '</a> (Not <urn:1> ["x)y"]) </b> ([W/"z"])',
        ),
        ("(<http://proxy.test/v1/a>)", "(<http://proxy.test/v1/a>)"),
    ],
)
async def test_tags_of_if_are_addresses_too(given: str, told: str) -> None:
    routes = [{"upstream": "api", **STRIP}]
    async with fronted(routes=routes) as (upstream, proxy):
        await proxy.ask(ask(f"If: {given}", "PUT"), patience=LONG)
        assert upstream.requests[0].head.value("If") == told.encode()


# X-Forwarded-Prefix


@pytest.mark.parametrize(
    ("route", "target", "told"),
    [
        (STRIP, "/v1/a", [b"/v1"]),
        (STRIP, "/v1", [b"/v1"]),
        ({**STRIP, "strip_prefix": "/v1/"}, "/v1/a", [b"/v1"]),
        (BOTH, "/v1/a", [b"/v1"]),
        ({"strip_prefix": "/v1"}, "/other", []),
        ({"strip_prefix": "/v1"}, "/v10/a", []),
        ({"add_prefix": "/x"}, "/v1/a", []),
        ({}, "/v1/a", []),
    ],
)
async def test_a_prefix_that_was_stripped_is_told(
    route: dict[str, Any], target: str, told: list[bytes]
) -> None:
    routes = [{"upstream": "api", **route}]
    forged = b"X-Forwarded-Prefix: /forged\r\n"
    async with fronted(routes=routes) as (upstream, proxy):
        for _ in range(2):
            await proxy.ask(get(target, forged), patience=LONG)
        for request in upstream.requests:
            assert request.head.values("X-Forwarded-Prefix") == told


async def test_what_a_trusted_proxy_stripped_stands_before() -> None:
    routes = [{"upstream": "api", **STRIP}]
    server = {"trusted_proxies": ["127.0.0.0/8"]}
    async with fronted(routes=routes, server=server) as (upstream, proxy):
        await proxy.ask(get("/v1/a", b"x-forwarded-prefix: /api\r\n"), patience=LONG)
        assert upstream.requests[0].head.values("X-Forwarded-Prefix") == [b"/api, /v1"]
