"""A request that is read fast goes upstream as if it had gone the long way."""

import asyncio
import itertools
import re
from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.edge.http1.fast_request_head import FastHeadReader
from proxy.edge.options import ServerOptions
from tests.support.proxy import dialled, fronted

# Names that are new for each request.
_OWN = re.compile(rb"(X-Request-Id: |traceparent: 00-)[0-9a-f]{32}(-[0-9a-f]{16})?")
_PORT = re.compile(rb"(?<=Host: 127\.0\.0\.1:)[0-9]+")
_ID = re.compile(rb"sidecar-proxy-[0-9a-f]{8}")

BLOCKS = [
    b"Host: a",
    b"Host: a\r\nUser-Agent: x\r\nAccept: */*",
    b"host:a\r\nX-B:  b \r\nx-b: B\r\nX-Caf: \xe9",
    b"Host: A.example:80\r\nCookie: a=b\r\nCookie: c=d",
    b"Host: a\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nTE: trailers",
    b"Host: a\r\nConnection: X-Named, keep-alive\r\nX-Named: 1\r\nX-Other: 2",
    b"Host: a\r\nX-Forwarded-For: 9.9.9.9\r\nForwarded: for=8.8.8.8\r\nX_Forwarded_For: 1",
    b"Host: a\r\nVia: 1.1 other",
    b"Host: a\r\nX-Request-Id: mine\r\ntraceparent: 00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01",
    b"Host: a\r\nX-Request-Id: mine",
    b"Host: a\r\ntracestate: a=b",
    b"Host: a\r\nContent-Length: 0",
    b"Host: a\r\nExpect: 100-continue",
    b"Host: a\r\nUpgrade: websocket\r\nConnection: upgrade",
    b"Host: a\r\nUpgrade: h2c",
    b"Host: a\r\nX-Long: " + b"x" * 3000,
]
BAD = [
    b"X: y",
    b"Host: a\r\nHost: a",
    b"Host: a b",
    b"Host: a\r\nContent-Length: x",
    b"Host: a\r\nX Y: z",
    b"Host: a\r\nTransfer-Encoding: gzip",
    b"Host: a\r\nContent_Length: 5",
]
LINES = [
    b"GET / HTTP/1.1",
    b"GET /a?b=c&d HTTP/1.1",
    b"GET /%2f%41//..;x HTTP/1.1",
    b"HEAD /a HTTP/1.1",
    b"POST /p HTTP/1.1",
    b"OPTIONS /o HTTP/1.1",
    b"BREW /pot HTTP/1.1",
    b"GET http://a/abs HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"GET /old HTTP/1.0",
    b'GET /"quoted" HTTP/1.1',
    b"GET /caf\xe9 HTTP/1.1",
    b"GET /frag#ment HTTP/1.1",
    b"GET /../up HTTP/1.1",
    b"GET  /two HTTP/1.1",
    b"TRACE /t HTTP/1.1",
]


def neutral(text: bytes) -> bytes:
    """Without what is new in each request and on each instance."""
    return _PORT.sub(b"PORT", _ID.sub(b"ID", _OWN.sub(rb"\1", text)))


async def seen(requests: list[bytes], **options: Any) -> list[tuple[int, bytes]]:
    """Statuses, and the heads that reach the upstream for the last of ``requests``.

    Each goes out on a connection of its own but to the same proxy.
    """
    async with fronted(**options) as (upstream, proxy):
        found = []
        for request in requests:
            known = len(upstream.requests)
            response = await proxy.ask(request)
            heads = b"".join(each.head.raw for each in upstream.requests[known:])
            found.append((response.status, neutral(heads)))
        return found


@pytest.mark.parametrize("trusted", [[], ["127.0.0.1"]])
@pytest.mark.parametrize("block", BLOCKS + BAD)
async def test_a_request_reaches_the_upstream_as_if_it_were_the_first(
    block: bytes, trusted: list[str]
) -> None:
    options = {"server": {"trusted_proxies": trusted}}
    taught = [b"GET /first HTTP/1.1\r\n" + block + b"\r\n\r\n"] * 2
    asked = [line + b"\r\n" + block + b"\r\n\r\n" for line in LINES]
    after = (await seen([*taught, *asked], **options))[2:]
    assert len(after) == len(LINES)
    for request, found in zip(asked, after, strict=True):
        assert found == (await seen([request], **options))[0], request


async def test_what_one_client_says_is_not_another_clients() -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    async with fronted() as (upstream, proxy):
        assert isinstance(proxy.address, tuple)
        host, port = proxy.address
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2"):
            reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
            writer.write(request)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            assert upstream.requests[-1].head.value("X-Forwarded-For") == source.encode()
            writer.close()


async def test_every_repeated_request_has_names_of_its_own() -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    async with dialled() as (upstream, proxy, client):
        for _ in range(5):
            await client.send(request)
            assert (await client.receive()).status == 200
        names = [each.head.value("X-Request-Id") for each in upstream.requests]
        assert len(set(names)) == 5
        assert [record.request_id.encode() for record in proxy.records] == names


@pytest.mark.parametrize("cut", range(1, 60, 3))
async def test_repeated_requests_may_come_in_pieces_and_glued(cut: int) -> None:
    request = b"GET /a HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"
    stream = request * 6
    async with dialled() as (upstream, _, client):
        await client.send(request)
        assert (await client.receive()).status == 200
        for at in range(0, len(stream), cut):
            await client.send(stream[at : at + cut])
        for _ in range(6):
            assert (await client.receive()).status == 200
        assert [each.line for each in upstream.requests] == [b"GET /a HTTP/1.1"] * 7


async def test_routes_are_found_anew() -> None:
    routes = [
        {"path": "/a", "upstream": "api", "headers": {"X-Beta": "*"}, "strip_prefix": "/a"},
        {"path": "/b", "upstream": "api", "methods": ["GET"]},
    ]
    block = b"\r\nHost: a\r\nX-Beta: 1\r\n\r\n"
    lines = {b"GET /a/x": 200, b"GET /b": 200, b"HEAD /b": 405, b"GET /c": 404}
    async with fronted(routes=routes) as (upstream, proxy):
        for _, (line, status) in itertools.product(range(3), lines.items()):
            assert (await proxy.ask(line + b" HTTP/1.1" + block)).status == status
        lines_seen = {each.line for each in upstream.requests}
        assert lines_seen == {b"GET /x HTTP/1.1", b"GET /b HTTP/1.1"}


async def test_the_limit_for_heads_holds_for_repeated_ones_too() -> None:
    fields = b"\r\nHost: a\r\nX-Pad: " + b"p" * 100 + b"\r\n\r\n"
    async with fronted(server={"max_header_size": "200B"}) as (_, proxy):
        assert (await proxy.ask(b"GET / HTTP/1.1" + fields)).status == 200
        long = b"GET /" + b"a" * 100 + b" HTTP/1.1" + fields
        assert (await proxy.ask(long)).status == 431
        assert (await proxy.ask(b"GET /" + b"a" * 300 + b" HTTP/1.1" + fields)).status == 414


def test_the_same_bytes_on_a_listener_of_another_scheme_are_another_request() -> None:
    reader = FastHeadReader(ServerOptions())
    raw = [(b"Host", b"a")]
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for scheme in ("http", "https"):
        fields = [(b"X-Forwarded-Proto", scheme.encode())]
        learnt = Exchange("GET", b"/", fields, b"/", client="192.0.2.1", scheme=scheme)
        reader.learn(request, learnt, raw, "192.0.2.1", scheme)
    for scheme in ("http", "https"):
        known = reader.read(request, "192.0.2.1", scheme)
        assert known is not None
        assert known[0].scheme == scheme
        assert (b"X-Forwarded-Proto", scheme.encode()) in known[0].headers
    assert reader.read(request, "192.0.2.2", "https") is None
