"""Offers to a mounted proxy to go over to another protocol, declined and accepted."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import ClientSession, WSServerHandshakeError, web

from proxy import create_app
from proxy.run.mounted import tunnel
from proxy.run.mounted.tunnel import Offer
from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.message import get
from tests.support.mounted import OK, mounted, served, tables
from tests.support.peer import SWITCHING, Peer
from tests.support.process import PATIENCE
from tests.support.tls_client import TlsClient, trusting
from tests.support.tunnel import OFFER
from tests.support.upstream import RawUpstream

UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAMAAABk\r\n"
REFUSED = b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"
PROTOCOLS = pytest.mark.parametrize("protocol", [b"websocket", b"other/1"])
LAST = b"x" * 2_000_000 + b"END"
ASKED = get("/api/chat", UPGRADE)


async def test_an_offer_of_http_2_leaves_the_connection_as_it_is() -> None:
    async with (
        RawUpstream((OK,)) as upstream,
        served(mounted(tables(upstream), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        for _ in range(2):
            assert (await client.ask(get("/api", UPGRADE % b"h2c"))).status == 200


async def test_nothing_follows_an_offer_to_upgrade_that_was_declined() -> None:
    """aiohttp has handed over what the client sends: it would wait for an answer for ever."""
    async with (
        RawUpstream((OK,)) as upstream,
        served(mounted(tables(upstream), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        await client.send(get("/api", UPGRADE % b"other/1") + get("/own"))
        assert (await client.receive()).status == 200
        assert await client.closed() in ("fin", "rst")


async def test_an_offer_of_http_1_0_is_none() -> None:
    async with (
        RawUpstream((OK,)) as upstream,
        served(mounted(tables(upstream), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        offer = b"Connection: keep-alive, Upgrade\r\nUpgrade: other/1\r\n"
        for _ in range(2):
            asked = get("/api", offer).replace(b"HTTP/1.1", b"HTTP/1.0")
            assert (await client.ask(asked)).status == 200
            assert upstream.requests[-1].head.value("Upgrade") is None


async def test_a_client_may_ask_on_behind_a_handshake_that_was_refused() -> None:
    """Its connection was closed, which the reply did not say: the next POST on it failed."""
    async with (
        RawUpstream([REFUSED], [OK], [REFUSED], [OK]) as upstream,
        served(create_app(tables(upstream))) as (host, port),
        ClientSession(f"http://{host}:{port}") as session,
    ):
        for _ in range(2):
            with pytest.raises(WSServerHandshakeError, match="401"):
                await session.ws_connect("/chat")
            async with session.post("/", data=b"a") as response:
                assert response.status == 200


async def test_the_connection_goes_on_behind_a_websocket_that_was_refused() -> None:
    protocol = b"WebSocket"
    async with (
        RawUpstream([REFUSED], [OK], [SWITCHING % protocol + b"hello", "hold"]) as upstream,
        served(mounted(tables(upstream), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        answer = await client.ask(ASKED % protocol)
        assert (answer.status, answer.values("connection")) == (401, [])
        assert (await client.ask(get("/api/x"))).status == 200
        await client.send(ASKED % protocol)
        await client.read_until(b"hello")


async def test_a_request_that_comes_within_the_refusal_is_answered_next() -> None:
    go = asyncio.Event()
    async with (
        RawUpstream([REFUSED[:-1], go, REFUSED[-1:]], [OK]) as upstream,
        served(mounted(tables(upstream, retry=False), "/api")) as address,
        await RawClient.connect(address) as client,
        asyncio.timeout(PATIENCE),
    ):
        await client.send(ASKED % b"websocket")
        await client.read_until(b"\r\n\r\nn")
        await client.send(get("/own") + get("/api/x"))
        go.set()
        assert await client.exactly(1) == b"o"
        assert (await client.receive()).body == b"its own"
        assert (await client.receive()).status == 200


@PROTOCOLS
async def test_a_reply_behind_whose_offer_more_has_come_says_that_it_is_the_last(
    protocol: bytes,
) -> None:
    """It may be in the protocol that the client did not get."""
    go = asyncio.Event()
    async with (
        RawUpstream([go, REFUSED]) as upstream,
        served(mounted(tables(upstream), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        await client.send(ASKED % protocol + get("/own"))
        await upstream.until(lambda: upstream.requests)
        go.set()
        answer = await client.receive()
        assert (answer.status, answer.values("connection")) == (401, [b"close"])
        assert await client.closed() in ("fin", "rst")


def to(url: str) -> dict[str, Any]:
    return {"upstreams": [{"name": "api", "servers": [url]}]}


@asynccontextmanager
async def listening(
    answer: bytes = b"", tls: ssl.SSLContext | None = None, protocol: bytes = b"websocket"
) -> AsyncIterator[tuple[tuple[str, int], asyncio.Event, asyncio.Queue[bytes]]]:
    """A proxy whose upstream reads when it is told to; what it has read up to the end."""
    go = asyncio.Event()
    read: asyncio.Queue[bytes] = asyncio.Queue()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        read.put_nowait(await reader.read())
        writer.write(answer)
        await writer.drain()

    async with (
        Peer(speak, protocol) as peer,
        served(create_app(to(peer.url)), tls) as address,
        asyncio.timeout(PATIENCE),
    ):
        yield address, go, read


async def begin(client: RawClient | TlsClient, protocol: bytes = b"websocket") -> None:
    await client.send(OFFER % protocol)
    await client.read_until(b"\r\n\r\n")
    await client.send(LAST)


@PROTOCOLS
async def test_all_that_a_client_said_before_its_end_comes_to_the_upstream(protocol: bytes) -> None:
    """However far it is ahead: it is held back by the connection alone."""
    async with listening(protocol=protocol) as (address, go, read):
        async with await RawClient.connect(address) as client:
            await begin(client, protocol)
        go.set()
        assert await read.get() == LAST


async def test_a_client_that_half_closes_a_tunnel_is_answered() -> None:
    async with (
        listening(b"y" * 400_000) as (address, go, read),
        await RawClient.connect(address) as client,
    ):
        await begin(client)
        client.half_close()
        go.set()
        assert await read.get() == LAST
        assert await client.rest() == b"y" * 400_000
        assert client.end == "fin"


@PROTOCOLS
async def test_all_that_a_client_over_tls_said_before_its_end_comes_too(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, protocol: bytes
) -> None:
    """Where aiohttp has read it: asyncio drops what a connection that is held back has of TLS."""
    monkeypatch.setattr("proxy.run.mounted.tunnel._AHEAD", len(LAST))
    async with listening(tls=authority.server(), protocol=protocol) as (address, go, read):
        async with await TlsClient.open(address, trusting(authority)) as client:
            await begin(client, protocol)
        go.set()
        assert await read.get() == LAST


async def test_a_client_that_leaves_a_tunnel_behind_a_half_close_ends_it() -> None:
    half, gone, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        half.set()
        await gone.wait()
        writer.write(LAST)
        await over.wait()

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> Any:
        reply = await handler(request)
        over.set()
        return reply

    parent = web.Application(middlewares=[watch])
    async with Peer(speak) as peer, asyncio.timeout(PATIENCE):
        parent.add_subapp("/chat", create_app(to(peer.url)))
        async with served(parent) as address, await RawClient.connect(address) as client:
            await begin(client)
            client.half_close()
            await half.wait()
            client.reset()
            gone.set()
            await over.wait()


async def test_a_client_is_held_back_while_much_of_it_waits() -> None:
    """By its connection: aiohttp's parser knows nothing of what it sends."""
    said: list[str] = []
    transport = SimpleNamespace(
        pause_reading=lambda: said.append("pause"), resume_reading=lambda: said.append("resume")
    )
    handler = SimpleNamespace(set_parser=lambda _: None, transport=transport)
    theirs, ours = socket.socketpair()
    with theirs, ours:
        offer = Offer(cast(web.Request, SimpleNamespace(protocol=handler)), theirs)
        offer.feed_data(b"x" * tunnel._AHEAD)
        assert not said
        offer.feed_data(b"x")
        assert said == ["pause"]
        offer.accept()
        assert len(await offer._read()) == tunnel._AHEAD + 1
        assert said == ["pause", "resume"]
        handler.transport = None  # it has gone
        offer.feed_data(b"x" * (tunnel._AHEAD + 1))
        assert said == ["pause", "resume"]
