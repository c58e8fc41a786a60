"""Chunk by chunk, both ways: nothing is held back, nothing is held in memory."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from functools import partial

import pytest

from tests.support.client import RawClient
from tests.support.message import CHUNKED_HEAD, chunked, get, post
from tests.support.proxy import dialled, fronted
from tests.support.upstream import Connection, RawUpstream, Request

MIB = 1 << 20
BLOCK = bytes(i * 7 % 256 for i in range(65_536))
HELD = 24 * MIB
"""What the kernel's buffers of two loopback connections may hold, with room to spare."""


async def _flood(connection: Connection, _: Request) -> None:
    while not connection.closed.is_set():
        await connection.send(b"10000\r\n%s\r\n" % BLOCK)


async def settled(measure: Callable[[], int]) -> int:
    """The value once it no longer changes."""
    before = -1
    for _ in range(30):
        if measure() == before:
            return before
        before = measure()
        await asyncio.sleep(0.05)
    raise AssertionError(f"still moving at {before}")


async def test_a_client_that_does_not_read_stops_the_upstream() -> None:
    async with (
        fronted([CHUNKED_HEAD, _flood]) as (upstream, proxy),
        await proxy.connect(receive_buffer=4096) as client,
    ):
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        sent = await settled(lambda: upstream.connections[0].sent)
        assert sent < HELD
        await client.read_until(b"\r\n\r\n")
        while upstream.connections[0].sent == sent:  # and goes on where the client does
            assert await client.read()


async def test_an_upstream_that_does_not_read_stops_the_client() -> None:
    sent = 0
    async with dialled(["read-nothing", "hold"]) as (upstream, _, client):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1 << 30))

        async def insist() -> None:
            nonlocal sent
            while True:
                await client.send(BLOCK)
                sent += len(BLOCK)

        sending = asyncio.ensure_future(insist())
        await upstream.until(lambda: len(upstream.requests) == 1)
        assert await settled(lambda: sent) < HELD
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending


async def test_each_event_arrives_before_the_next_one_is_sent() -> None:
    arrived = asyncio.Semaphore(0)

    async def events(connection: Connection, _: Request) -> None:
        for i in range(20):
            await connection.send(chunked(b"data: %d\n\n" % i, end=b""))
            await arrived.acquire()
        await connection.send(chunked())

    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    async with dialled([head, events]) as (_, _, client):
        await client.send(get())
        await client.read_until(b"\r\n\r\n")
        for i in range(20):
            await client.read_until(b"data: %d\n\n\r\n" % i)
            arrived.release()
        assert await client.read_until(b"0\r\n\r\n") == b"0\r\n\r\n"


async def test_a_head_arrives_before_its_body() -> None:
    go = asyncio.Event()
    script = [CHUNKED_HEAD, go, chunked(b"late")]
    async with dialled(script) as (_, _, client):
        await client.send(get())
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        go.set()
        assert await client.read_until(b"0\r\n\r\n") == b"4\r\nlate\r\n0\r\n\r\n"


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_a_big_download_is_identical(framing: str) -> None:
    size = 24 * MIB
    heads = {
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size,
        "chunked": CHUNKED_HEAD,
        "close": b"HTTP/1.1 200 OK\r\n\r\n",
    }
    wanted = hashlib.blake2b()

    async def body(connection: Connection, _: Request) -> None:
        for i in range(size // len(BLOCK)):
            piece = i.to_bytes(4, "big") + BLOCK[4:]
            wanted.update(piece)
            await connection.send(chunked(piece, end=b"") if framing == "chunked" else piece)
        if framing == "chunked":
            await connection.send(chunked())

    end = ["fin"] if framing == "close" else []
    async with fronted([heads[framing], body, *end]) as (_, proxy):
        response = await proxy.ask(get())
        assert (len(response.body), response.ended) == (size, "complete")
        assert hashlib.blake2b(response.body).digest() == wanted.digest()
        assert (await proxy.record()).bytes_out == size


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_big_upload_is_identical(framing: str) -> None:
    body = b"".join(i.to_bytes(4, "big") + BLOCK[4:] for i in range(24 * 16))
    data = post(body)
    if framing == "chunked":
        pieces = [body[i : i + 50_000] for i in range(0, len(body), 50_000)]
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        data = head + chunked(*pieces)
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(data)).status == 200
        got = upstream.requests[0].body
        assert hashlib.blake2b(got).digest() == hashlib.blake2b(body).digest()
        assert (await proxy.record()).bytes_in == len(body)


def _has(upstream: RawUpstream, size: int) -> bool:
    return bool(upstream.requests) and len(upstream.requests[0].body) == size


async def test_an_upload_arrives_while_it_is_being_sent() -> None:
    async with dialled() as (upstream, _, client):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
        for i in range(1, 7):
            await client.send(b"x")
            await upstream.until(partial(_has, upstream, i))
        assert (await client.receive()).status == 200


async def test_an_early_reply_reaches_a_client_that_is_still_sending() -> None:
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"
    async with fronted([early, "hold"]) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst")
            response = await client.receive()
            assert (response.status, response.body, response.ended) == (413, b"big", "complete")
            assert (response.value("Connection") or b"").lower() == b"close"
            with contextlib.suppress(ConnectionError):
                await client.send(b"x" * 1000)
            assert await client.closed() in ("fin", "rst")
        await upstream.until(upstream.connections[0].closed.is_set)
        assert (await proxy.record()).status == 413


async def test_both_ways_at_once() -> None:
    async def echo(connection: Connection, request: Request) -> None:
        echoed = 0

        def more() -> bool:
            return len(request.body) > echoed or request.complete

        while not request.complete or echoed < len(request.body):
            await connection.until(more)
            piece = request.body[echoed:]
            echoed += len(piece)
            if piece:
                await connection.send(chunked(piece, end=b""))
        await connection.send(chunked())

    async with fronted([CHUNKED_HEAD, echo]) as (_, proxy):
        async with await proxy.connect() as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            await client.read_until(b"\r\n\r\n")
            for i in range(10):
                await client.send(chunked(b"ping %d" % i, end=b""))
                await client.read_until(b"ping %d\r\n" % i)
            await client.send(chunked())
            assert (await client.read_until(b"0\r\n\r\n")) == b"0\r\n\r\n"
        record = await proxy.record()
        assert (record.status, record.error, record.bytes_in) == (200, "", 60)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("end", ["fin", "hold"])
async def test_an_early_refusal_reaches_a_client_in_the_midst_of_a_big_upload(
    framing: str, end: str
) -> None:
    size = 50 * MIB
    fields = b"Content-Length: %d" % size if framing == "length" else b"Transfer-Encoding: chunked"
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"

    async def refuse(connection: Connection, request: Request) -> None:
        await connection.until(lambda: len(connection.received) > 100_000)
        await connection.send(early)

    async def upload(client: RawClient) -> None:
        piece = BLOCK if framing == "length" else b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK)
        with contextlib.suppress(ConnectionError):
            for _ in range(size // len(BLOCK)):
                await client.send(piece)

    async with dialled([refuse, end]) as (_, proxy, client):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % fields)
        sending = asyncio.create_task(upload(client))
        response = await client.receive()
        assert (response.status, response.body, response.ended) == (413, b"big", "complete")
        assert response.value("connection") == b"close"
        await sending
        assert (await proxy.record()).status == 413
