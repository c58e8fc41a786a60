"""Bytes that a client sends ahead, and heads and trailers without end: bounded, like nginx's.

A head that went on while a request was being served, and trailers, were not bounded: one
connection grew the process from 43 to 559 MiB.
"""

import asyncio
import contextlib

import pytest

from proxy.edge.http1.connection import Connection
from tests.support.client import RawClient
from tests.support.message import get
from tests.support.proxy import Proxy, dialled, fronted
from tests.support.upstream import HEALTHY

PATIENCE = 30.0
MUCH = 24 << 20
"""Bytes; more than the kernel holds for one connection."""
CHUNKS = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def held(proxy: Proxy) -> int:
    """Bytes that the one connection keeps."""
    (connection,) = proxy.runtime._tracker.connections
    assert isinstance(connection, Connection)
    return len(connection._reader.held)


async def flood(client: RawClient, data: bytes) -> None:
    """Send for as long as the proxy takes it."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        await client.send(data)


@pytest.mark.parametrize(
    "ahead",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * MUCH,
        b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * (MUCH // 8),
        get("/2") * (MUCH // len(get("/2"))),
        b"\r\n" * (MUCH // 2),
        b"\x00" * MUCH,
    ],
    ids=["one field", "many fields", "requests", "empty lines", "junk"],
)
async def test_what_comes_while_a_request_is_served_waits_with_the_client(ahead: bytes) -> None:
    go = asyncio.Event()
    async with dialled(["wait-body", go, *HEALTHY], HEALTHY) as (upstream, proxy, client):
        await client.send(get("/1"))
        await upstream.until(lambda: upstream.requests)
        flooding = asyncio.create_task(flood(client, ahead))
        while not held(proxy):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.2)  # no event tells that nothing more is read
        assert held(proxy) < 1 << 20
        assert not flooding.done()
        go.set()
        assert (await client.receive(patience=PATIENCE)).status == 200
        if b"GET /2" not in ahead and ahead[:1] != b"\r":
            response = await client.receive(patience=PATIENCE)
            assert response.status == (431 if ahead[:1] == b"G" else 400)
        flooding.cancel()
        await asyncio.wait((flooding,))


@pytest.mark.parametrize(
    "trailers",
    [b"X-A: " + b"a" * 20_000, b"X-A: a\r\n" * 3000, b"a:\r\n" * 6000],
    ids=["one", "many", "tiny"],
)
@pytest.mark.parametrize("pieces", [1, 50])
async def test_trailers_without_end_are_refused(trailers: bytes, pieces: int) -> None:
    async with fronted(["hold"]) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(CHUNKS + b"5\r\nhello\r\n0\r\n")
            await upstream.until(lambda: upstream.requests)
            step = len(trailers) // pieces
            for start in range(0, len(trailers), step):
                await client.send(trailers[start : start + step])
            response = await client.receive(patience=PATIENCE)
            assert (response.status, await client.closed(PATIENCE)) == (431, "fin")
        assert not upstream.requests[0].complete


async def test_trailers_of_another_size_go_by() -> None:
    options = {"server": {"max_header_size": "1KiB"}}
    async with dialled(["wait-body", *HEALTHY], **options) as (upstream, _, client):
        for _ in range(2):
            data = CHUNKS + b"5\r\nhello\r\n0\r\nX-A: " + b"a" * 1000 + b"\r\n\r\n"
            assert (await client.ask(data)).status == 200
        assert [request.body for request in upstream.requests] == [b"hello", b"hello"]


@pytest.mark.parametrize("size", [1000, 200_000])
@pytest.mark.parametrize(
    ("start", "status"),
    [(b"GET /", 414), (b"GET / HTTP/1.1\r\nX: ", 431), (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", 431)],
)
async def test_which_limit_was_met_is_told_by_what_was_received(
    start: bytes, status: int, size: int
) -> None:
    """Not by the words of a parser; a client that goes on sending reads its answer all the same."""
    options = {"server": {"max_header_size": "512B"}}
    async with fronted(**options) as (upstream, proxy):
        for pieces in (1, 7):
            async with await proxy.connect() as client:
                data = start + b"a" * size
                step = len(data) // pieces + 1
                for at in range(0, len(data), step):
                    await client.send(data[at : at + step])
                    await proxy.breathe()
                response = await client.receive(patience=PATIENCE)
                assert (response.status, response.ended) == (status, "complete")
        assert upstream.connections == []


async def test_a_head_of_exactly_the_limit_goes_through() -> None:
    options = {"server": {"max_header_size": "512B"}}
    async with fronted(**options) as (_, proxy):
        head = get(fields=b"X-A: %b\r\n")
        fits = head.replace(b"%b", b"a" * (512 - len(head) + 2))
        assert len(fits) == 512
        assert (await proxy.ask(fits)).status == 200
        assert (await proxy.ask(fits.replace(b"aaa", b"aaaa", 1))).status == 431
