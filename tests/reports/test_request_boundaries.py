"""Every boundary of every framing of a request: what is right arrives, what is not is answered.

A malformed line right behind a chunk's data used to be answered after the body's idle timeout.
Here each request is cut at each of its bytes, so a segment ends at every place there is.
"""

import asyncio

import pytest

from tests.support.message import get
from tests.support.proxy import Proxy, dialled, fronted
from tests.support.upstream import HEALTHY

PATIENCE = 30.0

RIGHT = {
    "no body": b"GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n",
    "an unknown method": b"BREW /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "an empty line first": b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a length": b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "no bytes": b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "chunks": b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2 ;x=y\r\nlo\r\n0\r\nX-T: 1\r\n\r\n",
}
CHUNKS = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("name", RIGHT)
async def test_a_request_in_two_segments_is_the_same_request(name: str) -> None:
    data = RIGHT[name]
    body = b"hello" if b"hel" in data else b""
    async with dialled(["wait-body", *HEALTHY]) as (upstream, _, client):
        for number, cut in enumerate(range(1, len(data))):
            await client.send(data[:cut])
            await asyncio.sleep(0)
            await client.send(data[cut:])
            response = await client.receive(patience=PATIENCE)
            assert (response.status, response.value("Connection")) == (200, None), data[:cut]
            assert upstream.requests[number].body == body
        assert len(upstream.requests) == len(data) - 1


@pytest.mark.parametrize("name", RIGHT)
async def test_a_request_byte_by_byte_is_the_same_request(name: str) -> None:
    async with dialled(["wait-body", *HEALTHY]) as (upstream, proxy, client):
        for byte in RIGHT[name]:
            await client.send(bytes((byte,)))
            await proxy.breathe()
        assert (await client.receive(patience=PATIENCE)).status == 200
        assert len(upstream.requests) == 1


async def answered(proxy: Proxy, first: bytes, then: bytes) -> int:
    """The status that is answered to a request in these two segments."""
    async with await proxy.connect() as client:
        await client.send(first)
        await proxy.breathe()
        await client.send(then)
        response = await client.receive(patience=PATIENCE)
        assert response.value("Connection") == b"close"
        return response.status


BODY = b"5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n"
BOUNDARIES = [
    ("where a size begins", (0, 10, 20), (b"zz\r\n", b"zz", b"\n", b" ", b";", b"-1", b"\r\n")),
    ("behind a size", (1, 11, 21), (b"zz", b"\n", b"\rx", b"\r\r", b"=", b" \r\n", b";\n")),
    ("in the break behind a size", (2, 12, 22), (b"x", b"\r", b" ", b";")),
    ("behind data", (8, 18), (b"\r\nzz\r\n", b"\r\nzz", b"\r\n\r\n", b"zz", b"x", b"\n", b" ")),
    ("in the break behind data", (9, 19), (b"x", b"\r", b" ", b"\nzz")),
    ("where a trailer begins", (23,), (b"\n", b" ", b":", b"bad line\r\n", b"X : 1\r\n", b"\r\r")),
    ("in the last break", (24,), (b"x", b"\r", b" ")),
]


@pytest.mark.parametrize(("places", "junk"), [case[1:] for case in BOUNDARIES],
                         ids=[case[0] for case in BOUNDARIES])  # fmt: skip
async def test_junk_at_each_boundary_of_a_chunked_body_is_answered(
    places: tuple[int, ...], junk: tuple[bytes, ...]
) -> None:
    async with fronted(["hold"]) as (upstream, proxy):
        for at in places:
            for what in (*junk, b"\x00", b"\x7f"):
                assert await answered(proxy, CHUNKS + BODY[:at], what) == 400, (at, what)
        assert not any(request.complete for request in upstream.requests)


async def test_junk_at_each_place_of_a_head_is_answered() -> None:
    head = b"GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n"
    async with fronted() as (upstream, proxy):
        for at in range(len(head) - 1):
            for junk in (b"\x00", b"\x7f"):
                assert await answered(proxy, head[:at], junk) == 400, head[:at]
        assert upstream.requests == []


@pytest.mark.parametrize(
    "junk",
    [b"\r\n", b"\r\n\r\n", b"junk", b"GET / HTTP/1.1\r\nbad line\r\n\r\n", b"\x00\xff", b"\n"],
    ids=repr,
)
@pytest.mark.parametrize("apart", [False, True])
async def test_what_follows_a_request_that_ends_its_connection_does_not_spoil_the_answer(
    junk: bytes, apart: bool
) -> None:
    """RFC 9112 2.2: old clients send a line break behind a POST, and browsers sent more."""
    go = asyncio.Event()
    request = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
    async with dialled(["wait-body", go, *HEALTHY]) as (upstream, _, client):
        if apart:
            await client.send(request)
            await upstream.until(lambda: upstream.requests)
            await client.send(junk)
        else:
            await client.send(request + junk)
            await upstream.until(lambda: upstream.requests)
        go.set()
        response = await client.receive(patience=PATIENCE)
        assert (response.status, response.ended) == (200, "complete")
        assert await client.closed(PATIENCE) == "fin"
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "bad",
    [
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n",
        b"junk\r\n\r\n",
        b"\x16\x03",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize("apart", [False, True])
async def test_what_came_whole_before_a_malformed_request_is_served_first(
    bad: bytes, apart: bool
) -> None:
    """As nginx has it; all of them used to be refused together."""
    requests = get("/1") + RIGHT["chunks"] + RIGHT["a length"] + get("/4")
    async with dialled(["wait-body", *HEALTHY]) as (upstream, _, client):
        if apart:
            await client.send(requests)
            await client.send(bad)
        else:
            await client.send(requests + bad)
        for _ in range(4):
            assert (await client.receive(patience=PATIENCE)).status == 200
        response = await client.receive(patience=PATIENCE)
        assert (response.status, response.value("Connection")) == (400, b"close")
        assert await client.closed(PATIENCE) == "fin"
        assert [request.line.split()[1] for request in upstream.requests] == [
            b"/1", b"/a", b"/a", b"/4",
        ]  # fmt: skip


@pytest.mark.parametrize("line", [b"GET /a HTTP/1.2", b"GET /a HTTP/1.9"])
async def test_a_later_minor_version_is_served_as_1_1(line: bytes) -> None:
    """RFC 9110 2.5; and what goes on speaks our version (RFC 9110 6.2)."""
    async with dialled() as (upstream, _, client):
        for _ in range(2):  # the connection stays
            assert (await client.ask(line + b"\r\nHost: a\r\n\r\n")).status == 200
        assert upstream.requests[0].line == b"GET /a HTTP/1.1"
        assert upstream.requests[0].head.value("Via").startswith(b"1.1 ")  # type: ignore[union-attr]


async def test_the_log_says_of_a_malformed_request_what_could_be_read_of_it() -> None:
    async with fronted() as (_, proxy):
        await proxy.ask(b"PUT /path HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n")
        exchange = await proxy.record()
        assert (exchange.method, exchange.raw_target, exchange.status) == ("PUT", b"/path", 400)
