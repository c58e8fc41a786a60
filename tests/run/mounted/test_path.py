"""Where the proxy is mounted makes no difference to what its configuration says of paths."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy import create_app
from proxy.core.errors import BadRequest, NoRoute
from proxy.run.mounted.path import MountPath
from tests.support.client import RawClient
from tests.support.message import get
from tests.support.mounted import OK, mounted, served, tables
from tests.support.upstream import RawUpstream


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (b"/api", b"/"),
        (b"/api/", b"/"),
        (b"/api?q=/api", b"/?q=/api"),
        (b"/api/x%2Fy//z;a?q", b"/x%2Fy//z;a?q"),
        (b"/%61pi/x", b"/x"),
        (b"/api/api/x", b"/api/x"),
        (b"http://a.test/api/x?q", b"http://a.test/x?q"),
        (b"HTTP://a.test:80/api", b"HTTP://a.test:80/"),
        (b"/api/../../x", b"/api/../../x"),  # refused by whoever reads it next
        (b"nonsense", b"nonsense"),
    ],
)
def test_a_target_loses_the_path_and_nothing_else(given: bytes, left: bytes) -> None:
    assert MountPath("/api").below("GET", given) == left
    assert MountPath("").below("GET", given) == given


@pytest.mark.parametrize("target", [b"/", b"/apiary", b"/x/api", b"/api/../x", b"http://a.test"])
def test_what_is_not_below_the_path_is_not_asked_for(target: bytes) -> None:
    with pytest.raises(NoRoute):
        MountPath("/api").below("GET", target)


def test_a_path_that_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(BadRequest):
        MountPath("/api").below("GET", b"/x/../api/y")


ROUTES: list[tuple[dict[str, Any], str, bytes]] = [
    # a route, the path that is asked for, what the upstream sees
    ({}, "/x", b"/x"),
    ({"path": "/v1"}, "/v1/x", b"/v1/x"),
    ({"path": "/v1"}, "/v2/x", b""),
    ({"path_regex": "^/a$"}, "/a", b"/a"),
    ({"path_regex": "/a|/b"}, "/b", b"/b"),
    ({"path_regex": "(?i)/A"}, "/a", b"/a"),
    ({"path_regex": "/a"}, "/a/b", b""),
    ({"strip_prefix": "/v1"}, "/v1/x", b"/x"),
    ({"strip_prefix": "/v1"}, "/x", b"/x"),
    ({"path": "/v1", "strip_prefix": "/v1/a"}, "/v1/b", b"/v1/b"),
    ({"path_regex": "/v[0-9]+/.*", "strip_prefix": "/v1"}, "/v2/x", b"/v2/x"),
    ({"add_prefix": "/b"}, "/x", b"/b/x"),
    ({"strip_prefix": "/v1", "add_prefix": "/b"}, "/v1/x", b"/b/x"),
    ({"rewrite": {"pattern": "^/old", "replacement": "/new"}}, "/old/x", b"/new/x"),
    ({"rewrite": {"pattern": "^/old$", "replacement": "/new"}}, "/old", b"/new"),
    (
        {"strip_prefix": "/v1", "rewrite": {"pattern": "^/old", "replacement": "/new"}},
        "/v1/old",
        b"/new",
    ),
    ({"path": "/x", "headers": {"X-A": "1"}, "strip_prefix": "/x"}, "/x/y", b"/y"),
]
SAID = (
    b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Location: %b\r\nRefresh: 0; url=%b\r\n"
    b"Set-Cookie: a=b; Path=%b\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(("route", "path", "seen"), ROUTES)
@pytest.mark.parametrize("said", [b"/login", b"/b/login", b"/v1/login"])
async def test_a_route_means_the_same_mounted_as_not(
    route: dict[str, Any], path: str, seen: bytes, said: bytes
) -> None:
    names = ("Location", "Content-Location", "Refresh", "Set-Cookie")
    found = []
    for prefix in ("", "/api", "/a/b"):
        async with (
            RawUpstream((SAID % ((said,) * 4),)) as upstream,
            served(
                mounted(tables(upstream, routes=[{"upstream": "api", **route}]), prefix)
            ) as address,
            await RawClient.connect(address) as client,
        ):
            response = await client.ask(get(f"{prefix}{path}", b"X-A: 1\r\n"))
            if not seen:
                assert (response.status, len(upstream.requests)) == (404, 0)
                continue
            assert upstream.requests[0].line == b"GET %b HTTP/1.1" % seen
            told = [response.value(name) for name in names]
            assert all(prefix.encode() + b"/" in (value or b"") for value in told)
            found.append([(value or b"").replace(prefix.encode() + b"/", b"/") for value in told])
    assert found == found[:1] * (3 if seen else 0)


@pytest.mark.parametrize(
    ("route", "path", "prefix"),
    [
        ({}, "/x", b"/api"),
        ({"strip_prefix": "/v1"}, "/v1/x", b"/api/v1"),
        ({"strip_prefix": "/v1"}, "/x", b"/api"),
        ({"rewrite_location": False}, "/x", b"/api"),
        ({"rewrite": {"pattern": "a", "replacement": "b"}}, "/a", b"/api"),
    ],
)
async def test_the_upstream_is_told_of_the_path_and_may_put_it_there(
    route: dict[str, Any], path: str, prefix: bytes
) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: %b/y\r\nContent-Length: 0\r\n\r\n" % prefix
    async with (
        RawUpstream((moved,)) as upstream,
        served(mounted(tables(upstream, routes=[{"upstream": "api", **route}]), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        response = await client.ask(get(f"/api{path}"))
        assert response.value("Location") == prefix + b"/y"
        assert upstream.requests[0].head.value("X-Forwarded-Prefix") == prefix


async def test_a_route_that_leaves_locations_alone_leaves_them_alone() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"
    async with (
        RawUpstream((moved,)) as upstream,
        served(
            mounted(
                tables(upstream, routes=[{"upstream": "api", "rewrite_location": False}]), "/api"
            )
        ) as address,
        await RawClient.connect(address) as client,
    ):
        assert (await client.ask(get("/api/x"))).value("Location") == b"/y"


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_what_is_added_to_the_application_of_the_proxy_takes_its_own_paths_alone(
    prefix: str, tmp_path: Path
) -> None:
    async def own(_: web.Request) -> web.Response:
        return web.Response(text="its own")

    (tmp_path / "file").write_text("its own")
    async with RawUpstream() as upstream:
        app = create_app(tables(upstream))
        below = web.Application()
        below.router.add_get("/{any:.*}", own)
        app.add_subapp("/quite/far/below", below)
        app.router.add_get("/healthz/of/mine", own)
        app.router.add_static("/some/files/of/mine", tmp_path)
        parent = app
        if prefix:
            parent = web.Application()
            parent.add_subapp(prefix, app)
        async with served(parent) as address, await RawClient.connect(address) as client:
            for path in ("/healthz/of/mine", "/some/files/of/mine/file", "/quite/far/below/x"):
                for _ in range(2):
                    assert (await client.ask(get(prefix + path))).body == b"its own"
                assert not upstream.requests
            for path in ("/x", "/healthz/of", "/some/files", "/quite/far/x", "/"):
                assert (await client.ask(get(prefix + path))).status == 200
                assert upstream.requests[-1].line == f"GET {path} HTTP/1.1".encode()


@pytest.mark.parametrize(
    ("target", "status"), [("/api/../x", 404), ("/api/../x/../../y", 400), ("/api/%2e%2e/x", 404)]
)
async def test_nothing_beside_the_path_can_be_asked_for(target: str, status: int) -> None:
    async with (
        RawUpstream() as upstream,
        served(mounted(tables(upstream), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        response = await client.ask(get(target))
        assert response.status == status
        assert not upstream.requests


async def test_addresses_in_requests_lose_the_path_too() -> None:
    route = {"upstream": "api", "strip_prefix": "/v1"}
    moving = get("/api/v1/a", b"Destination: http://proxy.test/api/v1/b\r\n").replace(
        b"GET", b"MOVE", 1
    )
    beside = moving.replace(b"test/api", b"test/own")
    async with (
        RawUpstream() as upstream,
        served(mounted(tables(upstream, routes=[route]), "/api")) as address,
    ):
        for data, status in ((moving, 200), (beside, 400)):
            async with await RawClient.connect(address) as client:
                assert (await client.ask(data)).status == status
        (request,) = upstream.requests
        assert request.line == b"MOVE /a HTTP/1.1"
        assert request.head.value("Destination") == b"http://proxy.test/b"


@pytest.mark.parametrize(
    "line", [b"CONNECT a:443", b"OPTIONS *", b"OPTIONS http://a", b"GET http://a?x=1"]
)
async def test_what_names_no_path_is_answered_by_aiohttp(line: bytes) -> None:
    """As docs/library.md says: its router asks nobody."""
    async with (
        RawUpstream((OK,)) as upstream,
        served(mounted(tables(upstream), "")) as address,
        await RawClient.connect(address) as client,
    ):
        answer = await client.ask(line + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.status == 404
        assert b"aiohttp" in (answer.value("Server") or b"")
        assert not upstream.requests
