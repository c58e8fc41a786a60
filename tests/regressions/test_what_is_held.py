"""What is held on to, and for how long."""

import asyncio
import gc
import socket
import ssl
from pathlib import Path

import pytest

from proxy.edge.http1.request_body import ClientBody
from tests.support.authority import Authority
from tests.support.garbage import collector_off, living
from tests.support.message import get, length
from tests.support.proxy import dialled, fronted


async def test_a_finished_upload_keeps_nothing() -> None:
    """Its clock kept the body, and what was kept for another attempt, for half a minute."""
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
    async with dialled() as (upstream, proxy, client):
        await client.send(head + b"x" * 1000)
        await upstream.until(lambda: len(upstream.received) > 1000)
        await client.send(b"x" * 199_000)
        assert (await client.receive()).status == 200
        await proxy.record()
        gc.collect()
        bodies = living(ClientBody)
        assert [body for body in bodies if body._kept] == []


async def test_a_connect_that_was_given_up_owns_no_descriptor() -> None:
    """One was closed much later, when it belonged to somebody else's connection."""
    async with fronted(["hold"]) as (_, proxy):
        for _ in range(50):
            client = await proxy.connect()
            await client.send(get())
            await asyncio.sleep(0)
            client.reset()
        await proxy.record(49)
        gc.collect()
        held = living(socket.socket)
        assert [sock for sock in held if _connects(sock)] == []


def _connects(sock: socket.socket) -> bool:
    if sock.fileno() < 0 or sock.family != socket.AF_INET:
        return False
    return not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


async def test_a_client_over_tls_that_has_gone_leaves_nothing_to_the_collector(
    tmp_path: Path,
) -> None:
    """The clock of its writes held its transport, and that what reads: with all that TLS holds."""
    authority = Authority(tmp_path)
    names = {"cert_file": authority.path("server.pem"), "key_file": authority.path("server.key")}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with fronted(server={"tls": {"certificates": [names]}}) as (upstream, proxy):

        async def asked() -> None:
            reader, writer = await asyncio.open_connection(*proxy.address, ssl=context)
            writer.write(get(fields=b"Connection: close\r\n"))
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            await upstream.until(lambda: not proxy.runtime._tracker.connections)
            await proxy.breathe()

        await asked()
        with collector_off() as found:
            for _ in range(3):
                await asked()
            assert found()["Connection"] == 0


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_drain_waits_for_replies_to_be_read(version: bytes) -> None:
    """The access log says that all is written while the transport still holds the end of it."""
    body = b"x" * 8_000_000
    async with (
        fronted([length(body)]) as (_, proxy),
        await proxy.connect(receive_buffer=65536) as client,
    ):
        await client.send(get().replace(b"HTTP/1.1", b"HTTP/" + version))
        got = 0
        while not proxy.records:
            got += len(await client.read())
        draining = asyncio.ensure_future(proxy.runtime.drain())
        while data := await client.read():
            got += len(data)
        assert got > len(body)
        assert await draining


async def test_the_end_of_the_grace_period_does_not_look_like_the_end_of_a_reply() -> None:
    options = {"shutdown": {"grace_period": "50ms"}}
    stream = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome", "hold"]
    async with fronted(stream, **options) as (_, proxy):
        async with await proxy.connect() as client:
            await client.send(get().replace(b"HTTP/1.1", b"HTTP/1.0"))
            await client.read_until(b"some")
            assert not await proxy.runtime.drain()
            await proxy.runtime.close()
            assert await client.closed() == "rst"
        assert ((await proxy.record()).status, proxy.records[0].error) == (
            200,
            "destination_unavailable",
        )


async def test_who_still_waits_at_the_end_of_the_grace_period_gets_an_answer() -> None:
    options = {"shutdown": {"grace_period": "50ms"}}
    async with dialled(["hold"], **options) as (upstream, proxy, client):
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        assert not await proxy.runtime.drain()
        await proxy.runtime.close()
        response = await client.receive()
        assert (response.status, response.value("Connection")) == (503, b"close")


async def test_a_status_that_is_none_is_refused_at_once() -> None:
    async with fronted([length(b"", status=b"099 X")]) as (_, proxy):
        assert (await proxy.ask(get())).status == 502


async def test_a_head_may_be_of_any_size_where_the_limit_is_off() -> None:
    options = {"server": {"max_header_size": "0"}}
    fields = b"X-A: %s\r\n" % (b"a" * 100_000)
    async with fronted(**options) as (upstream, proxy):
        await proxy.ask(get(fields=fields))
        assert len(upstream.requests) == 1
