"""What belongs to a client's own connection, which outlasts the requests on it."""

import asyncio
import gc
import socket
import ssl
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from aiohttp import web

from proxy import create_app
from proxy.run.mounted.client import Client, client_of
from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.message import get, length, post
from tests.support.mounted import OK, mounted, served, tables
from tests.support.process import PATIENCE
from tests.support.tls_client import TlsClient, trusting
from tests.support.upstream import Connection, RawUpstream, Request

SUBJECT = ("X-Client-Cert-Subject", "X_Client_Cert_Subject")
FORGED = b"Client-Cert: :eA==:\r\nX_Client_Cert_Subject: CN=root\r\n"
TAKEN_AWAY = b"Connection: keep-alive, Client-Cert, X-Client-Cert-Subject\r\n"


async def logging_in(connection: Connection, request: Request) -> None:
    """As IIS does: a login is that of the connection on which it began."""
    token = (request.head.value("Authorization") or b"").partition(b" ")[2]
    said = [each.head.value("Authorization") or b"" for each in connection.requests[:-1]]
    begun = any(b"hello" in each for each in said)
    if token != b"hello" and begun:
        await connection.send(length(b"welcome"))
    else:
        await connection.send(length(b"no", b"401 Unauthorized", b"WWW-Authenticate: NTLM\r\n"))


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_a_login_is_that_of_the_client_s_connection_and_ends_with_it(prefix: str) -> None:
    async with (
        RawUpstream([logging_in]) as upstream,
        served(mounted(tables(upstream), prefix)) as address,
    ):
        async with await RawClient.connect(address) as client:
            for token, status in ((b"", 401), (b"hello", 401), (b"alice", 200), (b"", 200)):
                fields = b"Authorization: NTLM %b\r\n" % token if token else b""
                assert (await client.ask(get(f"{prefix}/x", fields))).status == status
            (bound,) = upstream.connections[-1:]
            async with await RawClient.connect(address) as stranger:
                assert (await stranger.ask(get(f"{prefix}/x"))).status == 401
            assert (await client.ask(post(b"x", f"{prefix}/x"))).body == b"welcome"
            assert not bound.closed.is_set()
        async with asyncio.timeout(PATIENCE):
            await bound.closed.wait()


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_server_is_told_who_the_client_is(version: str) -> None:
    seen: list[list[bytes]] = []

    async def behind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests: list[bytes] = []
        seen.append(requests)
        try:
            requests.append(
                await reader.readexactly(28) if version == "v2" else await reader.readuntil(b"\r\n")
            )
            while True:
                requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(OK)
        except asyncio.IncompleteReadError:
            ended.set()
        writer.close()

    ended = asyncio.Event()
    server = await asyncio.start_server(behind, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    config = {"upstreams": [{"name": "api", "servers": [{"url": url, "send_proxy": version}]}]}
    async with (
        server,
        served(mounted(config, "/api")) as address,
        await RawClient.connect(address) as one,
        await RawClient.connect(address) as two,
    ):
        for client in (one, two, one, two):
            assert (await client.ask(get("/api/x"))).status == 200
        assert [len(requests) for requests in seen] == [3, 3]
        for client, (words, *_) in zip((one, two), seen, strict=True):
            port = client._socket.getsockname()[1]
            if version == "v1":
                assert words == b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (port, address[1])
            else:
                ends = b"\x7f\0\0\1\x7f\0\0\1" + port.to_bytes(2) + address[1].to_bytes(2)
                assert words[12:] == b"\x21\x11\0\x0c" + ends
        one.close()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()


@pytest.mark.parametrize(
    ("wanted", "shown", "trusted", "left"),
    [
        (ssl.CERT_REQUIRED, "client", False, b"CN=client"),
        (ssl.CERT_OPTIONAL, "client", True, b"CN=client"),
        (ssl.CERT_OPTIONAL, "", True, None),
        (ssl.CERT_NONE, "", False, None),
        (ssl.CERT_NONE, "", True, b"CN=root"),
    ],
)
async def test_a_server_is_told_of_the_certificate_that_aiohttp_was_shown(
    authority: Authority, wanted: ssl.VerifyMode, shown: str, trusted: bool, left: bytes | None
) -> None:
    context = authority.server()
    context.verify_mode = wanted
    context.load_verify_locations(authority.path("ca.pem"))
    server = {"trusted_proxies": ["127.0.0.1"]} if trusted else {}
    async with (
        RawUpstream() as upstream,
        served(mounted(tables(upstream, server=server), "/api"), context) as address,
        await TlsClient.open(address, trusting(authority, shown)) as client,
    ):
        for fields in (FORGED, TAKEN_AWAY + FORGED) * 3:  # the same bytes again come from a cache
            assert (await client.ask(get("/api/x", fields))).status == 200
            head = upstream.requests[-1].head
            subjects = [each for name in SUBJECT for each in head.values(name)]
            assert subjects == ([] if left is None else [left])
            assert len(head.values("Client-Cert")) == len(subjects)
            assert head.value("X-Forwarded-Proto") == b"https"


@pytest.mark.parametrize(("trusted", "left"), [([], None), (["127.0.0.1"], b":eA==:")])
async def test_without_tls_a_proxy_that_is_trusted_says_who_it_was_shown_as_on_a_listener(
    trusted: list[str], left: bytes | None
) -> None:
    async with (
        RawUpstream() as upstream,
        served(mounted(tables(upstream, server={"trusted_proxies": trusted}), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        for fields in (FORGED, TAKEN_AWAY + FORGED):
            assert (await client.ask(get("/api/x", fields))).status == 200
            assert upstream.requests[-1].head.value("Client-Cert") == left
            assert upstream.requests[-1].head.value("X-Forwarded-Proto") == b"http"


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("encrypted", [False, True])
def test_the_end_of_a_connection_is_heard_and_nothing_holds_it(
    factory: Callable[[], asyncio.AbstractEventLoop], encrypted: bool, authority: Authority
) -> None:
    seen: list[weakref.ref[Client]] = []

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> Any:
        reply = await handler(request)
        assert request.transport is not None
        seen.append(weakref.ref(client_of(request.transport)))
        return reply

    async def run() -> None:
        async with RawUpstream([logging_in]) as upstream:
            parent = mounted(tables(upstream), "/api")
            parent.middlewares.append(watch)
            context = authority.server() if encrypted else None
            async with served(parent, context) as address:
                client: RawClient
                if encrypted:
                    client = await TlsClient.open(address, trusting(authority))
                else:
                    client = await RawClient.connect(address)
                async with client:
                    for _ in range(2):
                        await client.ask(get("/api/x"))
                    assert (await client.ask(get("/own"))).body == b"its own"
                    assert seen[0]() is seen[1]() is seen[2]() is not None
                async with asyncio.timeout(PATIENCE):
                    await upstream.connections[0].closed.wait()

    gc.disable()
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(run())
        assert {reference() for reference in seen} == {None}
    finally:
        gc.enable()


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("size", [20_000_000, 300_000, 100_000], ids=["long", "passed on", "sent"])
async def test_a_client_that_stops_reading_is_cut(version: bytes, size: int) -> None:
    """By a reset: only that tells a client of HTTP/1.0 that this is not the whole."""
    reply = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * size
    served_by: list[asyncio.Transport] = []

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> Any:
        transport = request.transport
        assert transport is not None
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
        served_by.append(transport)
        return await handler(request)

    async with RawUpstream((reply, "fin")) as upstream:
        parent = web.Application(middlewares=[watch])
        config = tables(upstream, server={"write_idle_timeout": "100ms"})
        parent.add_subapp("/api", create_app(config))
        async with (
            served(parent) as address,
            await RawClient.connect(address, receive_buffer=4096) as client,
            asyncio.timeout(PATIENCE),
        ):
            await client.send(get("/api/x").replace(b"1.1", version))
            await upstream.until(lambda: served_by and served_by[0].get_write_buffer_size())
            await upstream.until(lambda: not served_by[0].get_write_buffer_size())
            assert len(await client.rest()) < size
            assert client.end == "rst"


async def test_the_end_of_a_request_is_not_that_of_the_next_one() -> None:
    """A middleware answers in the place of one that it has cancelled; the connection goes on."""
    server, other = socket.socketpair()
    with other:
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, sock=server
        )
        client = client_of(transport)
        client.was_reset = True
        with client.tunnelling(None):
            assert not client.was_reset
        transport.abort()
