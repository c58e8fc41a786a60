"""TLS on the listener: what clients get, and what the upstream is told."""

import asyncio
import os
import socket
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.message import CHUNKED_HEAD, OK, chunked, get, post
from tests.support.peer import Peer, echo
from tests.support.proxy import dialled, fronted, proxied
from tests.support.tls_client import client_of, encrypted, trusting
from tests.support.tunnel import OFFER
from tests.support.websocket import LOG


async def test_requests_of_all_kinds_pass_and_are_https(authority: Authority) -> None:
    async with (
        fronted(server=encrypted(authority)) as (upstream, proxy),
        await client_of(proxy, authority) as client,
    ):
        for _ in range(2):  # the second comes from the cache of heads
            assert (await client.ask(get())).status == 200
        assert (await client.ask(post(b"x" * 300_000))).body == b"ok"
        sent = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (await client.ask(sent + chunked(b"one", b"two"))).status == 200
        assert client.tls.version() == "TLSv1.3"
    assert [len(request.body) for request in upstream.requests] == [0, 0, 300_000, 6]
    for request in upstream.requests:
        assert request.head.value("X-Forwarded-Proto") == b"https"
        assert b"proto=https" in (request.head.value("Forwarded") or b"")
    assert [record.scheme for record in proxy.records] == ["https"] * 4


async def test_the_protocol_is_agreed_on_and_no_other(authority: Authority) -> None:
    context = trusting(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with (
        fronted(server=encrypted(authority)) as (_, proxy),
        await client_of(proxy, authority, context=context) as client,
    ):
        assert client.tls.selected_alpn_protocol() == "http/1.1"


async def test_a_stream_of_events_comes_as_it_is_sent(authority: Authority) -> None:
    go = asyncio.Event()
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    script = [head, chunked(b"data: 1\n\n", end=b""), go, chunked(b"data: 2\n\n")]
    async with (
        fronted(script, server=encrypted(authority)) as (_, proxy),
        await client_of(proxy, authority) as client,
    ):
        await client.send(get())
        await client.read_until(b"data: 1\n\n\r\n")
        go.set()
        assert (await client.read_until(b"0\r\n\r\n")).endswith(b"data: 2\n\n\r\n0\r\n\r\n")


async def test_a_tunnel_is_opened(authority: Authority) -> None:
    async with (
        Peer(echo, b"websocket") as peer,
        proxied(peer.url, server=encrypted(authority)) as proxy,
        await client_of(proxy, authority) as client,
    ):
        await client.send(OFFER % b"websocket" + b"early")
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await client.exactly(5) == b"early"
        data = os.urandom(200_000)
        await client.send(data)
        assert await client.exactly(len(data)) == data


@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", get(fields=b"Connection: close\r\n")]
)
async def test_the_end_of_a_reply_is_told_by_close_notify(
    authority: Authority, request_line: bytes
) -> None:
    script = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"x" * 500_000, "fin"]
    async with (
        fronted(script, server=encrypted(authority)) as (_, proxy),
        await client_of(proxy, authority) as client,
    ):
        response = await client.ask(request_line)
        assert len(response.body) == 500_000
        assert await client.closed() == "fin"


async def test_a_reply_that_only_the_end_delimits_and_that_broke_has_no_close_notify(
    authority: Authority,
) -> None:
    script = [CHUNKED_HEAD, chunked(b"hello", end=b""), "rst"]
    async with (
        fronted(script, server=encrypted(authority), retry={"attempts": 1}) as (_, proxy),
        await client_of(proxy, authority) as client,
    ):
        response = await client.ask(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        assert (response.body, response.ended) == (b"hello", "rst")


async def test_a_slow_reader_gets_all_of_its_last_reply(authority: Authority) -> None:
    size = 3 << 20
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size]
    server = {**encrypted(authority), "write_idle_timeout": "20s"}
    async with (
        fronted(script, server=server) as (_, proxy),
        await client_of(proxy, authority) as client,
    ):
        await client.send(get(fields=b"Connection: close\r\n"))
        await asyncio.sleep(2.5)  # longer than a connection lingers that has been read
        response = await client.receive()
        assert (len(response.body), response.ended) == (size, "complete")
        assert await client.closed() == "fin"


@pytest.mark.parametrize("ahead", [b"", b"\r\n", b"\n", b"!"])
async def test_a_client_that_speaks_plain_http_is_told_so(
    authority: Authority, ahead: bytes
) -> None:
    """Some send an empty line behind a body, which is then ahead of the next request."""
    async with dialled(server=encrypted(authority)) as (upstream, proxy, client):
        response = await client.ask(ahead + get())
        assert (response.status, response.ended) == (400, "complete")
        assert response.value("Connection") == b"close"
        assert b"This address speaks TLS: ask it by https." in response.body  # without `details`
        assert (await proxy.record()).error == "http_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01garbage" * 9, b"\0\1\2\3" * 20], ids=["hello", "no"]
)
async def test_garbage_ends_the_connection(authority: Authority, junk: bytes) -> None:
    async with dialled(server=encrypted(authority)) as (upstream, proxy, client):
        await client.send(junk)
        await client.rest()
        assert client.end
        async with await client_of(proxy, authority) as other:
            assert (await other.ask(get())).status == 200
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("start", [b"", b"\x16\x03\x01\x01\x00"], ids=["silent", "begun"])
async def test_a_handshake_has_the_time_of_a_head(authority: Authority, start: bytes) -> None:
    server = {**encrypted(authority), "request_headers_timeout": "150ms"}
    async with dialled(server=server) as (_, _, client):
        await client.send(start)
        await client.rest()
        assert client.end


async def test_handshakes_do_not_take_the_place_of_clients(authority: Authority) -> None:
    """As many may be under way as there may be connections: then the first gives way."""
    server = {**encrypted(authority), "max_connections": 2}
    async with fronted(server=server) as (_, proxy):
        silent = [await proxy.connect() for _ in range(5)]
        async with await client_of(proxy, authority) as client:
            assert (await client.ask(get())).status == 200
        assert await silent[0].closed() in ("fin", "rst")
        for each in silent:
            each.close()


async def test_old_versions_are_refused(authority: Authority) -> None:
    old = trusting(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    server = encrypted(authority, min_version="1.3")
    async with fronted(server=server) as (_, proxy):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await client_of(proxy, authority, context=old)
        async with await client_of(proxy, authority) as client:
            assert (await client.ask(get())).status == 200


async def test_a_session_is_taken_up_again(authority: Authority) -> None:
    context = trusting(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose tickets come with the handshake
    async with fronted(server=encrypted(authority)) as (_, proxy):
        async with await client_of(proxy, authority, context=context) as first:
            session = first.tls.session
        async with await client_of(proxy, authority, context=context, session=session) as second:
            assert second.tls.session_reused
            assert (await second.ask(get())).status == 200


async def test_a_stop_lets_idle_clients_ask_once_more(authority: Authority) -> None:
    async with (
        fronted(server=encrypted(authority)) as (_, proxy),
        await client_of(proxy, authority) as client,
        await client_of(proxy, authority) as idle,
    ):
        assert (await client.ask(get())).status == 200
        drain = asyncio.ensure_future(proxy.runtime.drain())
        await proxy.breathe()
        response = await client.ask(get())
        assert (response.status, response.value("Connection")) == (200, b"close")
        assert await client.closed() == "fin"
        assert await idle.closed() == "fin"
        client.close()
        idle.close()
        assert await drain


async def test_unix_sockets_speak_tls_too(authority: Authority, tmp_path: Path) -> None:
    path = str(tmp_path / "proxy.sock")
    server = {**encrypted(authority), "listen": f"unix:{path}"}
    async with fronted([OK], server=server) as (_, _):
        reader, writer = await asyncio.open_unix_connection(
            path, ssl=trusting(authority), server_hostname="api.test"
        )
        writer.write(get())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_an_upload_that_is_refused_reads_its_answer(authority: Authority) -> None:
    server = {**encrypted(authority), "max_body": "1KiB"}
    async with (
        fronted(server=server) as (_, proxy),
        await client_of(proxy, authority) as client,
    ):
        await client.send(post(b"x" * 400_000))
        response = await client.receive()
        assert (response.status, response.ended) == (413, "complete")


async def test_plain_listeners_stay_plain(authority: Authority) -> None:
    server = {"trusted_proxies": ["127.0.0.1"]}
    async with fronted(server=server) as (upstream, proxy):
        async with await RawClient.connect(proxy.address) as client:
            assert (await client.ask(get(fields=b"Client-Cert: :AAAA:\r\n"))).status == 200
        assert upstream.requests[0].head.value("Client-Cert") == b":AAAA:"  # a front's word


async def test_a_stop_waits_for_who_still_reads_and_says_who_was_cut(authority: Authority) -> None:
    size = 300_000  # the kernel takes it all from us, and the client takes little of it
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size]
    options = {"server": encrypted(authority), "shutdown": {"grace_period": "200ms"}}
    async with (
        fronted(script, **options) as (_, proxy),
        await client_of(proxy, authority, receive_buffer=4096) as client,
    ):
        await client.send(get(fields=b"Connection: close\r\n"))
        assert (await proxy.record()).bytes_out == size
        assert not await proxy.runtime.drain()


async def test_a_websocket_opens_and_closes(authority: Authority) -> None:
    async def echo_one(connection: ServerConnection) -> None:
        await connection.send(await connection.recv())

    async with serve(echo_one, "127.0.0.1", 0, logger=LOG) as server:
        port = server.sockets[0].getsockname()[1]
        async with proxied(f"http://127.0.0.1:{port}", server=encrypted(authority)) as proxy:
            url = f"wss://{proxy.runtime.http[0]}/chat"
            async with connect(url, ssl=trusting(authority), logger=LOG) as client:
                await client.send("hello")
                assert await client.recv() == "hello"
                await client.wait_closed()
                assert client.close_code == 1000


async def test_a_client_that_ends_below_tls_has_left(authority: Authority) -> None:
    """A FIN without close_notify ends both sides."""
    async with (
        fronted(["hold"], server=encrypted(authority)) as (upstream, proxy),
        await client_of(proxy, authority) as client,
    ):
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        client.tls.shutdown(socket.SHUT_WR)
        await upstream.until(upstream.connections[0].closed.is_set)
        assert (await proxy.record()).status == 499
