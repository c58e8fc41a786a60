"""The request target: what came in goes out, or is refused (RFC 9112 3.2)."""

import pytest

from tests.support.message import get
from tests.support.proxy import dialled, fronted


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/a/b",
        b"/a%2Fb",
        b"/a%2fb",
        b"//evil.test/x",
        b"/a//b///c",
        b"/a;b=1;c",
        b"/a?",
        b"/?",
        b"/?a=1&a=2&&b",
        b"/a?x=%zz;y",
        b"/a?q=/../b",
        b"/%7Euser",
        b"/a%20b+c",
        b"/%zz",
        b"/a/../b",
        b"/a/./b",
        b"/caf%C3%A9?%e9",
        b"/a[1]|{x}^`",
        b'/"quoted"\'<>',
        b"/a:b@c",
        b"/http://x/y",
        b"/" + b"a" * 4000,
    ],
)
async def test_a_target_goes_through_byte_for_byte(target: bytes) -> None:
    async with fronted() as (upstream, proxy):
        response = await proxy.ask(b"GET %s HTTP/1.1\r\nHost: proxy.test\r\n\r\n" % target)
        assert response.status == 200
        assert upstream.requests[0].line == b"GET %s HTTP/1.1" % target


@pytest.mark.parametrize(
    ("target", "host", "sent"),
    [
        # RFC 9112 3.2.2: absolute-form is accepted, and origin-form goes out
        (b"http://proxy.test/x?y", b"proxy.test", b"/x?y"),
        (b"http://proxy.test", b"proxy.test", b"/"),
        (b"http://proxy.test?q=%2F", b"proxy.test", b"/?q=%2F"),
        (b"HTTP://PROXY.test/a%2Fb//c?", b"proxy.test", b"/a%2Fb//c?"),
        (b"http://proxy.test:8080/x", b"proxy.test:8080", b"/x"),
        (b"http://[::1]:8080/x", b"[::1]:8080", b"/x"),
    ],
)
async def test_absolute_form_becomes_origin_form(target: bytes, host: bytes, sent: bytes) -> None:
    async with fronted() as (upstream, proxy):
        response = await proxy.ask(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, host))
        assert response.status == 200
        assert upstream.requests[0].line == b"GET %s HTTP/1.1" % sent
        assert upstream.requests[0].head.value("Host") == host


async def test_the_asterisk_goes_through_for_options() -> None:
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(b"OPTIONS * HTTP/1.1\r\nHost: proxy.test\r\n\r\n")).status == 200
        assert upstream.requests[0].line == b"OPTIONS * HTTP/1.1"


@pytest.mark.parametrize(
    "line",
    [
        b"GET /../x",  # above the root
        b"GET /a/../../x",
        b"GET /%2e%2e/x",
        b"GET /a/..%2f..%2fx",  # dot segments where %2F is a separator to somebody
        b"GET /a/..\\x",
        b"GET /a%5c..%5cx",
        b"GET /a%00b",
        b"GET /a#b",
        b"GET /a\x7fb",
        b"GET *",  # RFC 9112 3.2.4: OPTIONS only
        b"GET proxy.test:80",
        b"GET a/b",
        b"GET http://user:pass@proxy.test/x",
        b"GET ftp://proxy.test/x",
        b"GET http:///x",
        b"GET /a b",
    ],
)
async def test_a_target_that_is_read_in_two_ways_is_refused(line: bytes) -> None:
    async with dialled() as (upstream, _, client):
        response = await client.ask(line + b" HTTP/1.1\r\nHost: proxy.test\r\n\r\n")
        assert response.status == 400
        assert response.value("Proxy-Status") == b"sidecar-proxy; error=http_request_error"
        assert await client.closed() == "fin"
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("route", "target", "sent"),
    [
        ({"path": "/v1", "strip_prefix": "/v1"}, "/v1/a%2Fb?", "/a%2Fb?"),
        ({"path": "/v1", "strip_prefix": "/v1"}, "/v1", "/"),
        ({"path": "/v1", "strip_prefix": "/v1"}, "/v1?x=1", "/?x=1"),
        ({"add_prefix": "/api/"}, "/a//b?x", "/api/a//b?x"),
        ({"path": "/v1", "strip_prefix": "/v1", "add_prefix": "/v2"}, "/v1/x", "/v2/x"),
        ({"path_regex": r"/items/(\d+)", "rewrite": {"pattern": r"^/items/(\d+)$",
          "replacement": r"/i/\1"}}, "/items/42?q=/items/1", "/i/42?q=/items/1"),
    ],
)  # fmt: skip
async def test_a_route_rewrites_the_path_and_leaves_the_rest(
    route: dict[str, object], target: str, sent: str
) -> None:
    routes = [{"upstream": "api", **route}]
    async with fronted(routes=routes) as (upstream, proxy):
        assert (await proxy.ask(get(target))).status == 200
        assert upstream.requests[0].line == b"GET %s HTTP/1.1" % sent.encode()


@pytest.mark.parametrize(
    "method",
    [
        "GET",
        "PUT",
        "DELETE",
        "PATCH",
        "OPTIONS",
        "PURGE",
        "PROPFIND",
        "QUERY",
        "BREW",
        "X-M.1",
        "get",
    ],
)
async def test_a_method_goes_through(method: str) -> None:
    async with fronted() as (upstream, proxy):
        response = await proxy.ask(b"%s /x HTTP/1.1\r\nHost: a\r\n\r\n" % method.encode())
        assert response.status == 200
        assert upstream.requests[0].line == b"%s /x HTTP/1.1" % method.encode()
