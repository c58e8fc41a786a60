"""Peers that take nothing cost little each, and what they cost together is bounded.

A reply of 30 MB that its client did not read cost 532 KiB, an upload to an API that read nothing
1.5 MiB, and an endless PUT filled the disk with 3 GB.
"""

import asyncio
import contextlib
import gc
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp.streams import StreamReader

from proxy.edge.http1.connection import Connection
from proxy.edge.http1.spool import Room
from proxy.net.small_reads import HIGH_WATER, LARGEST, SMALLEST, STALLED_PEERS, StalledPeers
from proxy.upstream.http1.protocol import READ_BUFFER, UpstreamProtocol
from tests.support.client import RawClient
from tests.support.message import get, length
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import RawUpstream

MIB = 1 << 20
LONG = 30 * MIB
CLIENTS = 8
PATIENCE = 30.0
HEAD = b"%b / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


def held() -> list[int]:
    """Bytes that each connection of the proxy holds, read or to be written, but for empty ones."""
    sizes = []
    for thing in gc.get_objects():
        if isinstance(thing, Connection | UpstreamProtocol) and thing.transport is not None:
            sizes.append(thing.transport.get_write_buffer_size())
        elif isinstance(thing, StreamReader):
            sizes.append(getattr(thing, "_size", 0))
    return [size for size in sizes if size]


async def still() -> list[int]:
    """The same, once nothing moves any more."""
    before: list[int] = [-1]
    async with asyncio.timeout(PATIENCE):
        while (now := held()) != before:
            before = now
            await asyncio.sleep(0.3)
    return now


async def test_a_reply_that_is_not_read_is_held_once() -> None:
    async with (
        RawUpstream([length(b"y" * LONG)]) as upstream,
        proxied(upstream) as proxy,
        AsyncExitStack() as stack,
    ):
        for _ in range(CLIENTS):
            client = await stack.enter_async_context(await proxy.connect(receive_buffer=4096))
            await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == CLIENTS)
        async with asyncio.timeout(PATIENCE):
            while (
                len(sizes := await still()) > CLIENTS
            ):  # none behind the one that waits to be written
                pass
        assert max(sizes) <= LARGEST + HIGH_WATER


async def filled(client: RawClient, method: bytes) -> None:
    """Sends for as long as it is taken."""
    await client.send(HEAD % (method, LONG))
    with contextlib.suppress(TimeoutError):
        while True:
            await asyncio.wait_for(client.send(b"y" * 65536), 1.0)


@pytest.mark.parametrize("method", [b"POST", b"PUT"])
async def test_an_upload_that_is_not_taken_costs_two_reads(method: bytes) -> None:
    async with (
        RawUpstream(["read-nothing", "hold"]) as upstream,
        proxied(upstream) as proxy,
        await proxy.connect() as client,
    ):
        await filled(client, method)
        sizes = await still()
        assert sum(sizes) <= 2 * (LARGEST + 2 * READ_BUFFER)


async def test_a_reply_goes_on_where_its_client_does() -> None:
    async with (
        RawUpstream([length(b"y" * (3 * MIB) + b"end")]) as upstream,
        proxied(upstream) as proxy,
        await proxy.connect(receive_buffer=4096) as client,
    ):
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        await still()
        response = await client.receive()
        assert (len(response.body), response.body[-3:]) == (3 * MIB + 3, b"end")
        # Connections read as before when they are asked again.
        for _ in range(2):
            await client.send(get())
            assert (await client.receive()).ended == "complete"
        assert len(upstream.connections) == 1
        assert STALLED_PEERS.count == 0


async def test_an_upload_goes_on_where_its_api_does() -> None:
    body = b"y" * (3 * MIB) + b"end"
    read_on = asyncio.Event()
    script: list[Any] = ["read-nothing", read_on, "read-on", "wait-body", length(b"")]
    async with (
        RawUpstream(script) as upstream,
        proxied(upstream) as proxy,
        await proxy.connect() as client,
    ):
        sending = asyncio.ensure_future(client.send(HEAD % (b"PUT", len(body)) + body))
        await upstream.until(lambda: len(upstream.connections) == 1)
        await still()
        read_on.set()
        await sending
        assert (await client.receive()).status == 200
        assert upstream.requests[0].body == body
        await client.send(get())
        assert (await client.receive()).status == 200
        await drained(proxy)


async def test_no_more_is_read_ahead_than_one_read_while_others_stall() -> None:
    with contextlib.ExitStack() as others:
        for _ in range(10_000):
            others.enter_context(STALLED_PEERS)
        async with (
            RawUpstream(["read-nothing", "hold"]) as upstream,
            proxied(upstream) as proxy,
            await proxy.connect() as client,
        ):
            await filled(client, b"POST")
            # The first read came before its body was known as one.
            assert max(await still()) <= SMALLEST + max(HIGH_WATER, READ_BUFFER)


async def drained(proxy: Proxy) -> None:
    """Nobody is counted as stalled who is not there."""
    await proxy.breathe()
    assert STALLED_PEERS.count == 0


def test_the_more_stall_the_less_is_read_for_each() -> None:
    stalled = StalledPeers()
    total = 0
    sizes = []
    for _ in range(10_000):
        total += stalled.size + HIGH_WATER
        sizes.append(stalled.size)
        stalled.__enter__()
    assert (sizes[0], sizes[-1]) == (LARGEST, SMALLEST)
    assert sizes == sorted(sizes, reverse=True)
    # Each is held twice at the most: read, and waiting to be written.
    assert total < 110 * MIB
    for _ in range(10_000):
        stalled.__exit__()
    assert (stalled.count, stalled.size) == (0, LARGEST)


async def test_an_upload_without_end_leaves_the_disk_alone() -> None:
    """It goes on its way; what is over the bounds of kept bodies is not kept."""
    options = {"retry": {"max_body": "1KiB"}}
    async with (
        RawUpstream([("wait-body", MIB), length(b"")]) as upstream,
        proxied(upstream, **options) as proxy,
        await proxy.connect() as client,
    ):
        rooms = [thing for thing in gc.get_objects() if isinstance(thing, Room)]
        for room in rooms:
            room._longest = 100_000
        await client.send(HEAD % (b"PUT", MIB))
        for _ in range(MIB // 65536):
            await client.send(b"y" * 65536)
            assert all(room.disk <= 100_000 for room in rooms)
        assert (await client.receive()).status == 200
        await proxy.record()
        assert all((room.disk, room.memory) == (0, 0) for room in rooms)
