"""Bytes that RFC 3986 wants escaped, raw UTF-8 for one: forwarded as they came, as nginx does."""

import pytest

from proxy.telemetry.access_log_line import escaped
from tests.support.message import get
from tests.support.proxy import dialled, fronted

TARGETS = {
    b"/caf\xc3\xa9": "/caf%C3%A9",
    b"/caf\xe9?q=\xff\x80": "/caf%E9?q=%FF%80",
    b"/?q=\xe6\x97\xa5\xe6\x9c\xac": "/?q=%E6%97%A5%E6%9C%AC",
    b"/a|b^c`{d}?<e>": "/a|b^c`{d}?<e>",
    b'/"q"?\\': '/"q"?\\',
}


@pytest.mark.parametrize("target", TARGETS)
async def test_raw_bytes_go_through_and_are_logged_escaped(target: bytes) -> None:
    async with dialled() as (upstream, proxy, client):
        for number in range(2):
            data = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target
            assert (await client.ask(data)).status == 200
            assert upstream.requests[number].line == b"GET %b HTTP/1.1" % target
        assert escaped((await proxy.record()).raw_target) == TARGETS[target]


@pytest.mark.parametrize("target", TARGETS)
async def test_strict_refuses_them(target: bytes) -> None:
    """Also where the fields of the request came before."""
    async with dialled(server={"strict": True}) as (upstream, _, client):
        for _ in range(2):
            assert (await client.ask(get("/a[0]?b[]=%C3%A9"))).status == 200
        data = b"GET %b HTTP/1.1\r\nHost: proxy.test\r\n\r\n" % target
        assert (await client.ask(data)).status == 400
        assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("target", "route"),
    [
        (b"/caf\xc3\xa9/x", "/caf%C3%A9"),
        (b"/caf%c3%a9/x", "/caf%C3%A9"),
    ],
)
async def test_a_route_knows_a_path_however_its_bytes_are_spelled(
    target: bytes, route: str
) -> None:
    routes = [{"path": route, "strip_prefix": route, "upstream": "api"}]
    async with fronted(routes=routes) as (upstream, proxy):
        data = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target
        assert (await proxy.ask(data)).status == 200
        assert upstream.requests[0].line == b"GET /x HTTP/1.1"
