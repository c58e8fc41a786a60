"""A host that is gone while something is on its way to it is noticed too.

The kernel asks a silent peer whether it is there only while all that was sent is acknowledged. A
stream of events to a phone out of coverage, a request on a connection whose server had lost its
power and a tunnel in which somebody writes went on for 15 minutes; what nobody reads goes on.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.net import lost_hosts
from proxy.net.lost_hosts import LostHosts
from proxy.net.sockets import TcpInfo, tcp_info
from proxy.upstream import connector
from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.garbage import living
from tests.support.message import CHUNKED_HEAD, OK, get, post
from tests.support.peer import idle
from tests.support.proxy import Proxy, proxied
from tests.support.tls_client import TlsClient, encrypted, trusting
from tests.support.tunnel import tunnel
from tests.support.upstream import RawUpstream
from tests.support.vanish import vanish

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="options and filters of Linux")

LONG = 30.0
SOON = 1.0
GONE = "could no longer be reached before it replied"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_hosts, "EVERY", 0.05)
    monkeypatch.setattr("proxy.edge.connections.GONE", SOON)
    monkeypatch.setattr("proxy.upstream.connector.GONE", SOON)
    monkeypatch.setattr("proxy.upstream.connector.UNACKNOWLEDGED", SOON)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_client_that_is_gone_from_its_stream_has_left(tmp_path: Path, tls: bool) -> None:
    gone = asyncio.Event()
    authority = Authority(tmp_path)
    events = [CHUNKED_HEAD, b"5\r\nhello\r\n", gone, b"5\r\nworld\r\n", "hold"]
    tables: dict[str, Any] = {"concurrency": {"max_requests": 1}, "queue": {}}
    if tls:
        tables["server"] = encrypted(authority)

    async def connect(proxy: Proxy) -> RawClient:
        if tls:
            return await TlsClient.open(proxy.address, trusting(authority))
        return await proxy.connect()

    async with (
        RawUpstream(events, [OK]) as upstream,
        proxied(upstream, **tables) as proxy,
        await connect(proxy) as client,
        await connect(proxy) as another,
    ):
        await client.send(get())
        await client.read_until(b"hello")
        vanish(client._socket)
        gone.set()
        # Its permit is free again.
        assert (await another.ask(get(), patience=LONG)).status == 200
        await upstream.connections[0].closed.wait()
        assert [(each.status, each.error) for each in proxy.records[:1]] == [(499, "client_gone")]


@pytest.mark.parametrize("lost", ["client", "server"])
async def test_a_tunnel_ends_whose_one_end_is_gone_while_the_other_writes(lost: str) -> None:
    sockets: list[Any] = []
    gone, over = asyncio.Event(), asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sockets.append(writer.get_extra_info("socket"))
        await gone.wait()
        if lost == "client":
            writer.write(b"hello")
            await reader.readexactly(100)
        await over.wait()

    async with tunnel(speak, b"foo") as (client, peer, proxy):
        vanish(client._socket if lost == "client" else sockets[0])
        gone.set()
        if lost == "server":
            await client.send(b"hello")
            assert await client.closed(LONG) == "rst"
            over.set()
        await proxy.record()
        if lost == "client":
            async with asyncio.timeout(LONG):
                while not peer.ends:  # noqa: ASYNC110 - nobody is asked to notify tests
                    await asyncio.sleep(0.001)
            assert peer.ends == ["rst"]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_request_to_a_host_that_is_gone_waits_for_no_reply(
    tmp_path: Path, tls: bool
) -> None:
    authority = Authority(tmp_path)
    options = {"tls": {"ca_file": authority.path("ca.pem")}} if tls else {}
    async with (
        RawUpstream(tls=authority.server() if tls else None) as server,
        proxied(server, upstream_options=options, errors={"details": True}) as proxy,
    ):
        for sends, status in ((post(b"x"), 502), (get(), 200)):
            assert (await proxy.ask(get())).status == 200
            vanish(server.connections[-1].transport.get_extra_info("socket"))
            failed = await proxy.ask(sends, patience=LONG)
            assert failed.status == status
            if status == 502:  # it may have been done, for all that is known
                assert b"error=connection_terminated" in (failed.value("Proxy-Status") or b"")
                assert GONE in json.loads(failed.body)["detail"]
        assert len(server.connections) == 3


async def test_no_further_try_waits_on_another_connection_to_a_host_that_is_gone() -> None:
    go = asyncio.Event()
    async with RawUpstream([go, OK], [go, OK], [OK]) as server, proxied(server) as proxy:
        asked = [asyncio.create_task(proxy.ask(get())) for _ in range(2)]
        await server.until(lambda: len(server.requests) == 2)
        go.set()
        await asyncio.gather(*asked)
        for connection in server.connections:
            vanish(connection.transport.get_extra_info("socket"))
        assert (await proxy.ask(get(), patience=LONG)).status == 200
        assert (await proxy.record(2)).record.attempt_count == 2
        assert len(server.connections) == 3


@pytest.mark.parametrize("size", [100_000, 10_000_000], ids=["written", "spliced"])
async def test_an_upload_to_a_host_that_is_gone_fails(size: int) -> None:
    async with (
        RawUpstream(["hold"]) as server,
        proxied(server, errors={"details": True}) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        await client.send(b"x" * 10)
        await server.until(lambda: server.requests and len(server.requests[0].raw) == 10)
        vanish(server.connections[0].transport.get_extra_info("socket"))
        await client.send(b"x" * 10)
        failed = await client.receive(patience=LONG)
        assert failed.status == 502
        assert GONE in json.loads(failed.body)["detail"]


@pytest.mark.parametrize("size", [100_000, 10_000_000], ids=["written", "spliced"])
async def test_an_upload_goes_on_until_its_host_is_found_gone(size: int) -> None:
    """What is written last hears of it first."""
    async with (
        RawUpstream(["hold"]) as server,
        proxied(server, errors={"details": True}) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        await client.send(b"x" * 10)
        await server.until(lambda: server.requests and len(server.requests[0].raw) == 10)
        vanish(server.connections[0].transport.get_extra_info("socket"))

        async def upload() -> None:
            while True:
                await client.send(b"x" * 100)
                await asyncio.sleep(0)

        sending = asyncio.create_task(upload())
        failed = await client.receive(patience=LONG)
        sending.cancel()
        assert failed.status == 502
        assert GONE in json.loads(failed.body)["detail"]


async def test_a_client_that_is_there_and_does_not_read_is_not_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[TcpInfo] = []
    enough = asyncio.Event()

    def look(sock: Any) -> TcpInfo:
        looks.append(tcp_info(sock))
        if len(looks) > 3 * SOON / lost_hosts.EVERY:
            enough.set()
        return looks[-1]

    monkeypatch.setattr(lost_hosts, "tcp_info", look)
    body = b"x" * 8_000_000
    async with (
        RawUpstream([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body]) as server,
        proxied(server) as proxy,
        await proxy.connect(receive_buffer=4096) as client,
    ):
        await client.send(get())
        async with asyncio.timeout(LONG):
            await enough.wait()
        assert len((await client.receive(patience=LONG)).body) == len(body)


async def test_who_has_ended_is_looked_at_no_more() -> None:
    """Else each connection there ever was would be kept, and looked at, for good."""
    async with (
        RawUpstream([OK, "close"], [OK], ["wait-body", "hold"]) as upstream,
        proxied(upstream, retry=False) as proxy,
        await proxy.connect() as client,
    ):
        for _ in range(2):
            assert (await proxy.ask(get())).status == 200
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 3)
        assert any(hosts._sockets for hosts in living(LostHosts))
        client.reset()
        await proxy.record(2)
    async with tunnel(idle) as (client, _, _):
        client.reset()
    assert not [hosts for hosts in living(LostHosts) if hosts._sockets]


@pytest.mark.parametrize(("acknowledged", "seconds"), [(1, 105.0), (2, 60.0)])
def test_a_server_that_has_taken_nothing_yet_may_have_a_full_queue(
    monkeypatch: pytest.MonkeyPatch, acknowledged: int, seconds: float
) -> None:
    monkeypatch.undo()
    assert connector._patience(TcpInfo(4, 4, 0, 1, 10.0, acknowledged)) == seconds
