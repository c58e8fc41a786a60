"""Peers that take nothing cost little each, and what they cost together is bounded.

A reply of 30 MB that its client did not read cost 532 KiB, an upload to an API that read nothing
1.5 MiB, and an endless PUT filled the disk with 3 GB.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp.streams import StreamReader

from proxy.edge.http1.connection import Connection
from proxy.edge.http1.spool import Room
from proxy.net.small_reads import (
    CROWDED,
    HIGH_WATER,
    IN_HAND,
    LARGEST,
    SMALLEST,
    TOTAL,
    InHand,
    PieceReads,
)
from proxy.upstream.http1.protocol import READ_BUFFER, UpstreamProtocol
from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.garbage import living
from tests.support.message import get, length
from tests.support.peer import idle
from tests.support.proxy import dialled, fronted, proxied
from tests.support.tunnel import tunnel
from tests.support.upstream import RawUpstream

MIB = 1 << 20
LONG = 30 * MIB
CLIENTS = 8
PATIENCE = 30.0
HEAD = b"%b / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


def held() -> list[int]:
    """Bytes that each connection of the proxy holds, read or to be written, but for empty ones."""
    ends = [*living(Connection), *living(UpstreamProtocol)]
    sizes = [end.transport.get_write_buffer_size() for end in ends if end.transport is not None]
    sizes += [getattr(reader, "_size", 0) for reader in living(StreamReader)]
    return [size for size in sizes if size]


async def still() -> list[int]:
    """The same, once nothing moves any more."""
    before: list[int] = [-1]
    async with asyncio.timeout(PATIENCE):
        while (now := held()) != before:
            before = now
            await asyncio.sleep(0.3)
    return now


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_reply_that_is_not_read_is_held_once(authority: Authority, encrypted: bool) -> None:
    context = authority.server() if encrypted else None
    tls = {"tls": {"ca_file": authority.path("ca.pem")}} if encrypted else {}
    async with (
        RawUpstream([length(b"y" * LONG)], tls=context) as upstream,
        proxied(upstream, upstream_options=tls) as proxy,
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
        record = 16 << 10 if encrypted else 0  # the rest of one that had begun to come before
        assert max(sizes, default=0) <= LARGEST + HIGH_WATER + record


async def filled(client: RawClient, method: bytes) -> None:
    """Sends for as long as it is taken."""
    await client.send(HEAD % (method, LONG))
    with contextlib.suppress(TimeoutError):
        while True:
            await asyncio.wait_for(client.send(b"y" * 65536), 1.0)


@pytest.mark.parametrize("method", [b"POST", b"PUT"])
async def test_an_upload_that_is_not_taken_costs_two_reads(method: bytes) -> None:
    async with dialled(["read-nothing", "hold"]) as (_, _, client):
        await filled(client, method)
        sizes = await still()
        assert sum(sizes) <= 2 * (LARGEST + 2 * READ_BUFFER)


async def test_a_reply_goes_on_where_its_client_does() -> None:
    async with (
        fronted([length(b"y" * (3 * MIB) + b"end")]) as (upstream, proxy),
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
        assert IN_HAND.bytes == 0


async def test_an_upload_goes_on_where_its_api_does() -> None:
    body = b"y" * (3 * MIB) + b"end"
    read_on = asyncio.Event()
    script: list[Any] = ["read-nothing", read_on, "read-on", "wait-body", length(b"")]
    async with dialled(script) as (upstream, proxy, client):
        sending = asyncio.ensure_future(client.send(HEAD % (b"PUT", len(body)) + body))
        await upstream.until(lambda: len(upstream.connections) == 1)
        await still()
        read_on.set()
        await sending
        assert (await client.receive()).status == 200
        assert upstream.requests[0].body == body
        await client.send(get())
        assert (await client.receive()).status == 200
        await proxy.record(1)
        assert IN_HAND.bytes == 0


@contextlib.contextmanager
def others(held: int) -> Iterator[None]:
    """Other bodies have so many bytes in hand."""
    IN_HAND.bytes += held
    try:
        yield
    finally:
        IN_HAND.bytes -= held


@pytest.mark.parametrize("method", [b"POST", b"PUT"])
async def test_no_more_is_read_ahead_than_one_read_where_others_hold_much(method: bytes) -> None:
    with others(TOTAL):
        async with dialled(["read-nothing", "hold"]) as (_, _, client):
            await filled(client, method)
            assert max(await still(), default=0) <= SMALLEST + HIGH_WATER


async def test_what_comes_with_a_head_is_read_in_small_pieces_too_where_others_hold_much() -> None:
    """It waits for a server, or for its turn in a queue."""
    with others(TOTAL):
        async with dialled([length(b"")]) as (_, _, client):
            await client.send(get())
            assert (await client.receive()).status == 200
            (connection,) = [thing for thing in living(Connection) if thing.transport is not None]
            assert connection.transport is not None
            reads = connection.transport.get_protocol()
            assert isinstance(reads, PieceReads)
            assert len(reads.get_buffer(65536)) == SMALLEST
            assert IN_HAND.bytes == TOTAL


@pytest.mark.parametrize("held", [0, CROWDED, 3 * TOTAL])
async def test_a_body_goes_on_whatever_others_hold(held: int) -> None:
    """Up and down, and nothing of it counts as held when it is over."""
    body = b"y" * (2 * MIB) + b"end"
    with others(held):
        async with (
            fronted(["wait-body", length(body)]) as (upstream, proxy),
            await proxy.connect(receive_buffer=4096) as client,
        ):
            sending = asyncio.ensure_future(client.send(HEAD % (b"PUT", len(body)) + body))
            response = await client.receive()
            await sending
            assert (response.status, response.body) == (200, body)
            assert upstream.requests[0].body == body
            await proxy.record()
            assert IN_HAND.bytes == held


async def test_a_client_that_leaves_holds_nothing_more() -> None:
    async with fronted(["read-nothing", "hold"], [length(b"y" * LONG)]) as (_, proxy):
        async with await proxy.connect() as client:
            await filled(client, b"PUT")
            await still()
            assert IN_HAND.bytes > 0
            client.reset()
            await proxy.record()
            assert IN_HAND.bytes == 0
        async with await proxy.connect(receive_buffer=4096) as client:
            await client.send(get())
            await still()
            assert IN_HAND.bytes > 0
            client.reset()
            await proxy.record(1)
            assert IN_HAND.bytes == 0


async def test_a_tunnel_holds_nothing_of_its_handshake() -> None:
    async with tunnel(idle, early=b"early") as (client, _, _):
        assert await client.read_until(b"early")
        assert IN_HAND.bytes == 0


def test_the_more_is_held_the_less_is_read() -> None:
    in_hand = InHand()
    sizes = []
    for _ in range(10_000):
        sizes.append(in_hand.next_read())
        in_hand.bytes += sizes[-1]
    assert (sizes[0], sizes[-1]) == (LARGEST, SMALLEST)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes.count(LARGEST) == CROWDED // LARGEST + 1
    # Beyond the total each has its floor, and no more.
    assert sum(sizes) <= TOTAL + 10_000 * SMALLEST


@pytest.mark.parametrize(("room", "kept"), [(MIB, True), (50_000, False)])
async def test_a_body_that_came_with_its_head_takes_room_too(
    room: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is none it is sent all the same, and let go of."""
    monkeypatch.setattr("proxy.edge.intake.Room", lambda: Room(memory=room))
    answer = asyncio.Event()
    async with dialled(["wait-body", answer, length(b"")]) as (upstream, proxy, client):
        rooms = living(Room)
        body = b"y" * 60_000
        await client.send(HEAD % (b"POST", len(body)) + body)
        await upstream.until(lambda: upstream.requests and upstream.requests[0].body == body)
        assert max(each.memory for each in rooms) == (len(body) if kept else 0)
        answer.set()
        assert (await client.receive()).status == 200
        await proxy.record()
        assert all(each.memory == 0 for each in rooms)


async def test_an_upload_without_end_leaves_the_disk_alone() -> None:
    """It goes on its way; what is over the bounds of kept bodies is not kept."""
    options = {"retry": {"max_body": "1KiB"}}
    async with dialled([("wait-body", MIB), length(b"")], **options) as (_, proxy, client):
        rooms = living(Room)
        assert rooms
        for room in rooms:
            room._longest = 100_000
        await client.send(HEAD % (b"PUT", MIB))
        for _ in range(MIB // 65536):
            await client.send(b"y" * 65536)
            assert all(room.disk <= 100_000 for room in rooms)
        assert (await client.receive()).status == 200
        await proxy.record()
        assert all((room.disk, room.memory) == (0, 0) for room in rooms)
