"""Clients of a mounted proxy that take a reply slowly, or not at all."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from proxy import create_app
from proxy.core.exchange import Exchange
from proxy.edge.http1 import connection
from proxy.edge.http1.write_stall import WriteStallTimer
from proxy.edge.responses import charge_stalled_client
from proxy.run.mounted.mounted import OneRequest
from tests.support.client import RawClient
from tests.support.event_wire import EVENTS, last_words, said
from tests.support.message import get
from tests.support.mounted import served, tables
from tests.support.peer import SWITCHING
from tests.support.process import PATIENCE
from tests.support.tunnel import WEBSOCKET
from tests.support.upstream import Connection, RawUpstream, Request

SIZE = 3_000_000


def slowly(
    upstream: RawUpstream, *seen: list[asyncio.Transport], patience: str = "100ms", **more: Any
) -> web.Application:
    """Whose clients have to take something within a moment, with little room on the way.

    ``seen``: gets their connections.
    """

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> Any:
        assert request.transport is not None
        sock = request.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
        for each in seen:
            each.append(request.transport)
        return await handler(request)

    parent = web.Application(middlewares=[watch])
    config = tables(upstream, server={"write_idle_timeout": patience}, retry=False, **more)
    parent.add_subapp("/api", create_app(config))
    return parent


async def test_what_a_tunnel_does_not_take_is_the_matter_of_tunnel_idle() -> None:
    """As on a listener: no reply is owed to who has left HTTP behind."""

    async def flood(opened: Connection, _: Request) -> None:
        await opened.send(SWITCHING % b"websocket" + b"y" * SIZE)

    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + b"x" * SIZE
    seen: list[asyncio.Transport] = []
    async with (
        RawUpstream([flood, "hold"], [reply]) as upstream,
        served(slowly(upstream, seen), shutdown_timeout=0.1) as address,
        await RawClient.connect(address, receive_buffer=4096) as tunnel,
        await RawClient.connect(address, receive_buffer=4096) as other,
        asyncio.timeout(PATIENCE),
    ):
        await tunnel.send(WEBSOCKET.replace(b"/chat", b"/api/chat"))
        await upstream.until(lambda: seen and seen[0].get_write_buffer_size())
        await other.send(get("/api/x"))
        await upstream.until(lambda: len(seen) > 1 and seen[1].is_closing())
        # So the tunnel has waited for longer than it may.
        assert b" 101 " in await tunnel.read_until(b"\r\n\r\n")
        assert len(await tunnel.exactly(SIZE)) == SIZE


async def test_the_log_charges_a_client_that_stops_taking_its_reply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    charged: list[Exchange] = []
    patient: list[float] = []

    def charges(exchange: Exchange, seconds: float) -> None:
        charged.append(exchange)
        charge_stalled_client(exchange, seconds)

    def timer(self: OneRequest, transport: asyncio.Transport) -> WriteStallTimer:
        made = own(self, transport)
        patient.append(made._patience)
        return made

    own = OneRequest._write_timer
    monkeypatch.setattr(OneRequest, "_write_timer", timer)
    monkeypatch.setattr(connection, "charge_stalled_client", charges)
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + b"x" * SIZE
    async with (
        RawUpstream([reply]) as upstream,
        served(slowly(upstream)) as address,
        await RawClient.connect(address, receive_buffer=4096) as client,
        asyncio.timeout(PATIENCE),
    ):
        await client.send(get("/api/x"))
        await upstream.until(lambda: charged)
    assert [each.error for each in charged] == ["connection_write_timeout"]
    assert set(patient) == {0}, "only aiohttp's own connection has a clock of this"


PART = b"x" * 80_000
"""Not all of it finds room in the kernel, and what is left is not too much for the transport."""
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 80001\r\n\r\n"


@pytest.mark.parametrize(
    ("begun", "whole"),
    [
        (LENGTH + PART, PART),
        (EVENTS + said(b"data: %b\n\n" % PART), b"data: %b\n\n" % PART),
    ],
    ids=["length", "events"],
)
async def test_a_client_has_what_came_of_a_reply_that_broke(begun: bytes, whole: bytes) -> None:
    """Its framing tells the client; a reset would throw away what it has not taken yet."""
    seen: list[asyncio.Transport] = []
    async with (
        RawUpstream([begun, "fin"]) as upstream,
        served(slowly(upstream, seen, patience="1h", stream={"on_error": "event"})) as address,
        await RawClient.connect(address, receive_buffer=4096) as client,
        asyncio.timeout(PATIENCE),
    ):
        await client.send(get("/api/x"))
        await upstream.until(lambda: seen and seen[0].is_closing())
        answer = await client.receive()
    assert answer.ended == "fin-short"
    assert answer.body.startswith(whole)
    if begun.startswith(EVENTS):
        last_words(answer, whole)


async def test_a_client_that_does_not_take_what_came_of_a_reply_that_broke_is_cut() -> None:
    seen: list[asyncio.Transport] = []
    async with (
        RawUpstream([LENGTH + PART, "fin"]) as upstream,
        served(slowly(upstream, seen)) as address,
        await RawClient.connect(address, receive_buffer=4096) as client,
        asyncio.timeout(PATIENCE),
    ):
        await client.send(get("/api/x"))
        await upstream.until(lambda: seen and seen[0].is_closing())
        await upstream.until(lambda: not seen[0].get_write_buffer_size())
        assert len(await client.rest()) < len(PART)
        assert client.end == "rst"
