"""What lies between two hosts forgets a connection on which nothing passes.

Answers of slow APIs were lost so: openai/openai-python#3269, encode/httpx#2975, h2o/h2o#2162,
googleapis/python-genai#2705. The kernel asks a silent peer whether it is there, which keeps the way
open; where nobody is there any more, that is an error of its own.
"""

import asyncio
import contextlib
import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.net.sockets import probes
from tests.support.authority import Authority
from tests.support.credentials import oauth2, token
from tests.support.message import CHUNKED_HEAD, OK, get, post
from tests.support.peer import SWITCHING
from tests.support.proxy import dialled, proxied
from tests.support.tls_client import encrypted
from tests.support.tunnel import OFFER
from tests.support.upstream import Connection, RawUpstream
from tests.support.vanish import vanish

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="options and filters of Linux")

LONG = 30.0
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nhello"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"
USUAL = (1, 45, 15, 4)
SOON = probes(1, 1, 1)
"""The shortest that the kernel knows: a peer that is gone is noticed after two seconds."""
_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 0)),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 0)),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 0)),
)


def kept(sock: socket.socket) -> tuple[int, ...]:
    """Whether, and when, its peer is asked."""
    return tuple(sock.getsockopt(level, option) for level, option in _OPTIONS)


def own_sockets() -> Iterator[tuple[socket.socket, tuple[str, int], tuple[str, int]]]:
    """TCP connections of this process, with both ends' addresses."""
    for number in [int(each) for each in os.listdir("/proc/self/fd")]:
        with contextlib.suppress(OSError):  # of what listens, and of the list itself
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as one:
                    if one.family in (socket.AF_INET, socket.AF_INET6):
                        yield one, one.getsockname()[:2], one.getpeername()[:2]


def towards(port: int) -> list[tuple[int, ...]]:
    """How those are kept that lead to a port."""
    return [kept(one) for one, _, peer in own_sockets() if peer[1] == port]


def accepted_on(port: int) -> list[tuple[int, ...]]:
    """How those are kept that came in there."""
    return [kept(one) for one, own, _ in own_sockets() if own[1] == port]


@pytest.mark.parametrize("how", ["plain", "tls", "introduced", "a name", "a tunnel", "checked"])
async def test_connections_to_servers_stay_known_on_the_way(how: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {}
    tls = None
    if how == "tls":
        authority = Authority(tmp_path)
        tls, options["tls"] = authority.server(), {"ca_file": authority.path("ca.pem")}
    script = [SWITCHING % b"foo", "hold"] if how == "a tunnel" else [OK]
    async with RawUpstream(script, tls=tls) as upstream:
        if how == "introduced":
            options["servers"] = [{"url": upstream.url, "send_proxy": "v1"}]
        elif how == "a name":
            options["servers"] = [f"http://localhost:{upstream.port}"]
        elif how == "checked":
            options["health_check"] = {"path": "/", "interval": "100ms"}
        async with (
            proxied(upstream, upstream_options=options) as proxy,
            await proxy.connect() as client,
        ):
            if how != "checked":
                await client.send(OFFER % b"foo" if how == "a tunnel" else get())
            await upstream.until(lambda: upstream.requests)
            assert set(towards(upstream.port)) == {USUAL}


async def test_token_servers_are_no_exception(tmp_path: Path) -> None:
    answered = asyncio.Event()
    async with (
        RawUpstream(("wait-body", answered, token("abc"))) as server,
        RawUpstream() as upstream,
        proxied(upstream, **oauth2(tmp_path, server)) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(get())
        await server.until(lambda: server.requests)
        assert towards(server.port) == [USUAL]
        answered.set()
        assert (await client.receive()).status == 200


@pytest.mark.parametrize("how", ["plain", "tls"])
async def test_connections_of_clients_are_watched_from_the_beginning(
    how: str, tmp_path: Path
) -> None:
    """They have it of the socket that they came in by; aiohttp switches it on and no more."""
    server: dict[str, Any] = {}
    if how == "tls":
        server = encrypted(Authority(tmp_path))
    async with dialled(server=server) as (_, proxy, client):
        if how == "plain":
            assert (await client.ask(get())).status == 200
        else:
            await proxy.breathe()
        assert accepted_on(int(proxy.address[1])) == [USUAL]


async def vanishes(connection: Connection, _: object) -> None:
    vanish(connection.transport.get_extra_info("socket"))
    await connection.closed.wait()


async def test_a_client_that_half_closes_is_asked_sooner() -> None:
    async with dialled(["hold"], server={"half_close": "answer"}) as (upstream, proxy, client):
        await client.send(get())
        await upstream.until(lambda: upstream.requests)
        port = int(proxy.address[1])
        assert accepted_on(port) == [USUAL]
        client.half_close()
        await upstream.until(lambda: accepted_on(port) == [(1, 15, 5, 3)])


GONE = "could no longer be reached before it replied"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_server_whose_host_is_gone_is_no_late_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tls: bool
) -> None:
    monkeypatch.setattr("proxy.upstream.http1.transport.SILENT", SOON)
    authority = Authority(tmp_path)
    options = {"tls": {"ca_file": authority.path("ca.pem")}} if tls else {}
    async with (
        RawUpstream(
            [vanishes], [vanishes], [OK], tls=authority.server() if tls else None
        ) as server,
        proxied(server, upstream_options=options, errors={"details": True}) as proxy,
    ):
        # What may have been done is sent again by the usual rules: a POST is not, a GET is.
        failed = await proxy.ask(post(b"x"), patience=LONG)
        assert failed.status == 502
        assert b"error=connection_terminated" in (failed.value("Proxy-Status") or b"")
        assert GONE in json.loads(failed.body)["detail"]
        assert (await proxy.ask(get(), patience=LONG)).status == 200
        assert len(server.requests) == 3


@pytest.mark.parametrize(("on", "status"), [("reset", 200), ("stale-connection", 502)])
async def test_no_idle_connection_has_ended_where_a_host_is_gone_in_the_midst_of_a_request(
    monkeypatch: pytest.MonkeyPatch, on: str, status: int
) -> None:
    """It took the request in, on a connection that was used before."""
    monkeypatch.setattr("proxy.upstream.http1.transport.SILENT", SOON)
    async with (
        RawUpstream([OK], [vanishes], [OK]) as server,
        proxied(server, retry={"on": [on]}) as proxy,
    ):
        assert (await proxy.ask(get())).status == 200
        assert (await proxy.ask(get(), patience=LONG)).status == status
        assert len(server.connections) == (2 if status == 200 else 1)


@pytest.mark.parametrize(
    "framing",
    [CHUNKED_HEAD + b"5\r\nhello\r\n", LENGTH % 9, LENGTH % 9_000_000, UNTIL_CLOSE],
    ids=["chunked", "length", "spliced", "until its end"],
)
async def test_a_reply_whose_server_is_gone_is_cut(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, framing: bytes
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("proxy.upstream.http1.transport.SILENT", SOON)
    async with dialled([framing, vanishes], stream={"commit": "headers"}) as (_, proxy, client):
        await client.send(get())
        await client.read_until(b"hello")
        await client.rest(LONG)
        record = await proxy.record()
        assert record.error == "http_response_incomplete"
        assert "could no longer be reached before the end of its reply" in caplog.text


@pytest.mark.parametrize("begun", [False, True], ids=["before its answer", "during it"])
async def test_a_client_whose_host_is_gone_has_left(
    monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    monkeypatch.setattr("proxy.run.sockets.tcp.SILENT", SOON)
    script = [CHUNKED_HEAD, b"5\r\nhello\r\n", "hold"] if begun else ["hold"]
    async with dialled(script) as (upstream, proxy, client):
        await client.send(get())
        if begun:
            await client.read_until(b"hello")
        await upstream.until(lambda: upstream.requests)
        vanish(client._socket)
        await upstream.until(upstream.connections[0].closed.is_set)
        record = await proxy.record()
        assert (record.status, record.error) == (499, "client_gone")
