"""How tunnels of a mounted proxy end: by a reset, in order, and with the application around it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from proxy import create_app
from proxy.run.mounted.mounted import OneRequest
from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.mounted import served, tables
from tests.support.peer import SWITCHING
from tests.support.process import PATIENCE
from tests.support.tls_client import TlsClient, trusting
from tests.support.tunnel import GOING_AWAY, OFFER, frame
from tests.support.upstream import Connection, RawUpstream, Request

PROTOCOLS = pytest.mark.parametrize("protocol", [b"websocket", b"other/1"])
ENCRYPTED = pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
MUCH = b"y" * 3_000_000


async def dial(address: tuple[str, int], authority: Authority | None) -> RawClient:
    if authority is None:
        return await RawClient.connect(address)
    return await TlsClient.open(address, trusting(authority))


@PROTOCOLS
@ENCRYPTED
async def test_a_reset_of_the_upstream_is_one_for_the_client(
    authority: Authority, protocol: bytes, encrypted: bool
) -> None:
    """Behind all that it has said before. It was a clean end: what was cut off looked whole."""
    tls = authority.server() if encrypted else None
    async with (
        RawUpstream([SWITCHING % protocol + b"ab", "rst"]) as upstream,
        served(create_app(tables(upstream)), tls) as address,
        await dial(address, authority if encrypted else None) as client,
    ):
        await client.send(OFFER % protocol)
        assert (await client.rest()).endswith(b"\r\n\r\nab")
        assert client.end == "rst"


@PROTOCOLS
@ENCRYPTED
@pytest.mark.parametrize("end", ["rst", "fin"])
async def test_the_upstream_is_told_how_the_client_has_ended_behind_its_last_words(
    authority: Authority, protocol: bytes, encrypted: bool, end: str
) -> None:
    tls = authority.server() if encrypted else None
    async with (
        RawUpstream([SWITCHING % protocol, "hold"]) as upstream,
        served(create_app(tables(upstream)), tls) as address,
    ):
        client = await dial(address, authority if encrypted else None)
        await client.send(OFFER % protocol)
        await client.read_until(b"\r\n\r\n")
        await client.send(b"last words")
        opened = upstream.connections[0]
        if end == "rst":  # or the kernel may drop what the proxy has not read yet
            await upstream.until(lambda: opened.received.endswith(b"last words"))
            client.reset()
        else:
            client.close()
        async with asyncio.timeout(PATIENCE):
            await opened.closed.wait()
        assert opened.received.endswith(b"last words")
        assert opened.ended == end


@contextlib.asynccontextmanager
async def narrow(
    over: asyncio.Event,
    seen: list[asyncio.Transport],
    *,
    room: int = 1 << 15,
    held: int | None = None,
) -> AsyncIterator[RawClient]:
    """A client that reads little of a tunnel that brings much, through ``room`` bytes of the kernel
    and ``held`` of its transport; ``over``: when the handler of its request has ended."""

    async def flood(opened: Connection, _: Request) -> None:
        opened.transport.write(SWITCHING % b"other/1" + MUCH)

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> Any:
        assert request.transport is not None
        sock = request.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        if held is not None:
            request.transport.set_write_buffer_limits(high=held)
        seen.append(request.transport)
        reply = await handler(request)
        over.set()
        return reply

    parent = web.Application(middlewares=[watch])
    async with RawUpstream([flood, "hold"]) as upstream:
        clocks = {"tunnel_idle": "50ms"}
        parent.add_subapp("/chat", create_app(tables(upstream, timeouts=clocks)))
        async with (
            served(parent) as address,
            await RawClient.connect(address, receive_buffer=4096) as client,
        ):
            yield client


async def test_a_client_that_takes_nothing_is_cut_with_its_tunnel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else its connection, and the handler of its request, stayed until it left."""
    monkeypatch.setattr("proxy.edge.tunnel._CLOSING", 0.05)
    over = asyncio.Event()
    seen: list[asyncio.Transport] = []

    async with narrow(over, seen) as client, asyncio.timeout(PATIENCE):
        await client.send(OFFER % b"other/1")
        await over.wait()
        assert seen[0].is_closing()
        await client.rest()
        assert client.end == "rst"


async def test_nor_does_one_stay_that_takes_nothing_of_what_was_left_by_a_tunnel_that_was_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy loop comes to that only after the cut: then nothing more tells it to end."""
    monkeypatch.setattr("proxy.edge.tunnel._CLOSING", 0.05)
    over, lost, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()
    receive = loop.sock_recv
    connection_lost = OneRequest.connection_lost

    async def receive_late(sock: socket.socket, size: int) -> bytes:
        await lost.wait()
        return await receive(sock, size)

    def tell(connection: OneRequest, exc: BaseException | None) -> None:
        connection_lost(connection, exc)
        lost.set()

    async with narrow(over, [], room=1 << 12, held=1 << 12) as client:
        monkeypatch.setattr(OneRequest, "connection_lost", tell)
        monkeypatch.setattr(loop, "sock_recv", receive_late)
        await client.send(OFFER % b"other/1")
        async with asyncio.timeout(PATIENCE):
            await over.wait()


async def test_a_tunnel_that_the_application_ends_is_reset_at_both_ends() -> None:
    go = asyncio.Event()

    @web.middleware
    async def ends(request: web.Request, handler: Any) -> Any:
        serving = asyncio.ensure_future(handler(request))
        await go.wait()
        serving.cancel()
        return await serving

    parent = web.Application(middlewares=[ends])
    async with RawUpstream([SWITCHING % b"other/1", "hold"]) as upstream:
        parent.add_subapp("/chat", create_app(tables(upstream, retry=False)))
        async with served(parent) as address, await RawClient.connect(address) as client:
            await client.send(OFFER % b"other/1")
            await client.read_until(b"\r\n\r\n")
            go.set()
            assert await client.rest() == b""
            async with asyncio.timeout(PATIENCE):
                await upstream.connections[0].closed.wait()
            assert (client.end, upstream.connections[0].ended) == ("rst", "rst")


async def test_a_stop_ends_a_websocket_in_order_once_both_have_been_told() -> None:
    """aiohttp reads no client any more: what that answers is not waited for."""

    async def answer(opened: Connection, _: Request) -> None:
        told = frame(b"\x03\xe9", opcode=8, mask=b"mask")[:2]
        await opened.until(lambda: told in opened.received)
        opened.transport.write(GOING_AWAY)

    async with (
        RawUpstream([SWITCHING % b"websocket", answer, "hold"]) as upstream,
        contextlib.AsyncExitStack() as running,
    ):
        address = await running.enter_async_context(served(create_app(tables(upstream))))
        async with await RawClient.connect(address) as client:
            await client.send(OFFER % b"websocket")
            await client.read_until(b"\r\n\r\n")
            stopping = asyncio.ensure_future(running.aclose())
            assert (await client.rest()).startswith(GOING_AWAY)
            assert client.end == "fin"
            await stopping


@PROTOCOLS
async def test_no_tunnel_begins_once_nobody_would_read_its_client(protocol: bytes) -> None:
    """It was a dead one, until the grace period was over."""
    go = asyncio.Event()
    async with (
        RawUpstream([go, SWITCHING % protocol, "hold"]) as upstream,
        contextlib.AsyncExitStack() as running,
    ):
        app = create_app(tables(upstream, shutdown={"grace_period": "1h"}))
        address = await running.enter_async_context(served(app, shutdown_timeout=3600))
        async with await RawClient.connect(address) as client:
            await client.send(OFFER % protocol)
            await upstream.until(lambda: upstream.requests)
            stopping = asyncio.ensure_future(running.aclose())
            await upstream.until(lambda: not _takes(address))
            go.set()
            response = await client.receive()
            assert (response.status, response.value("Connection")) == (503, b"close")
            assert b"shutting down" in response.body
            async with asyncio.timeout(PATIENCE):
                await stopping


def _takes(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex(address)
