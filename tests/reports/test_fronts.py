"""Behind nginx, HAProxy and Caddy, configured as ``docs/fronts.md`` says; and nginx behind us."""

import asyncio
import gzip
import socket
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.client import RawClient
from tests.support.event_wire import EVENTS, said
from tests.support.fronts import FRONTS, front, installed, part
from tests.support.message import get, length, post
from tests.support.proxy import Proxy, fronted, proxied
from tests.support.upstream import RawUpstream, Script

LONG = 30.0
HEALTHY: Script = ("wait-body", length(b"ok"))


@pytest.fixture(params=list(FRONTS))
def name(request: pytest.FixtureRequest) -> str:
    """Each of them that is here."""
    if not installed(request.param):
        pytest.skip(f"{request.param} is not installed; tools/ci-tools.sh")
    return str(request.param)


class Stand:
    """A client before a front before the proxy before an upstream."""

    def __init__(self, address: tuple[str, int], proxy: Proxy, upstream: RawUpstream) -> None:
        self.address = address
        self.proxy = proxy
        self.upstream = upstream
        self._clients: list[RawClient] = []

    async def client(self) -> RawClient:
        """From an address that is not the front's."""
        sock = socket.socket()
        sock.bind(("127.0.0.2", 0))
        sock.setblocking(False)
        client = RawClient(sock)
        self._clients.append(client)
        await asyncio.get_running_loop().sock_connect(sock, self.address)
        return client

    def close(self) -> None:
        """All clients leave."""
        for client in self._clients:
            client.close()


@asynccontextmanager
async def stand(name: str, home: Path, *scripts: Script) -> AsyncIterator[Stand]:
    """With the options that the page gives the proxy."""
    server = tomllib.loads(part("toml"))["server"] | {"listen": "127.0.0.1:0"}
    async with (
        fronted(*scripts or (HEALTHY,), server=server) as (upstream, proxy),
        front(name, home, proxy.runtime.http[0]) as address,
    ):
        stood = Stand(address, proxy, upstream)
        try:
            yield stood
        finally:
            stood.close()


async def test_the_upstream_learns_who_asked(name: str, tmp_path: Path) -> None:
    async with stand(name, tmp_path) as s, await s.client() as client:
        answer = await client.ask(get("/a%2Fb?c=d"), patience=LONG)
        assert (answer.status, answer.body) == (200, b"ok")
        [request] = s.upstream.requests
        assert request.line == b"GET /a%2Fb?c=d HTTP/1.1"
        assert request.head.value("X-Forwarded-For") == b"127.0.0.2, 127.0.0.1"
        assert request.head.value("X-Forwarded-Proto") == b"http"
        assert request.head.values("X-Forwarded-Host") == request.head.values("Host")
        assert (await s.proxy.record()).client == "127.0.0.2"


FORGED = ("Client-Cert", "Client-Cert-Chain", "X-Client-Cert-Subject", "Forwarded", "X-Real-IP")


async def test_no_client_says_what_only_the_front_may_say(name: str, tmp_path: Path) -> None:
    """The proxy believes the front, and the front passes on what it does not know."""
    spelled = [*FORGED, *(each.replace("-", "_") for each in FORGED)]
    fields = "".join(f"{each}: for=192.0.2.66\r\n" for each in spelled).encode()
    async with stand(name, tmp_path) as s, await s.client() as client:
        assert (await client.ask(get(fields=fields), patience=LONG)).status == 200
        [request] = s.upstream.requests
        lines = request.head.lines
        assert [line for line in lines if b"192.0.2.66" in line] == []
        assert request.head.value("X-Real-IP") in (None, b"127.0.0.2")
        assert (await s.proxy.record()).client == "127.0.0.2"


async def test_events_arrive_as_they_come(name: str, tmp_path: Path) -> None:
    go = asyncio.Event()
    script = ["wait-body", EVENTS, said(b"data: 1\n\n"), go, said(b"data: 2\n\n"), b"0\r\n\r\n"]
    async with stand(name, tmp_path, script) as s, await s.client() as client:
        await client.send(get(fields=b"Accept: text/event-stream\r\n"))
        await client.read_until(b"data: 1\n\n", LONG)
        go.set()
        await client.read_until(b"data: 2\n\n", LONG)


async def test_uploads_arrive_as_they_come(name: str, tmp_path: Path) -> None:
    half = b"x" * 1_000_000
    async with stand(name, tmp_path) as s, await s.client() as client:
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (2 * len(half))
        )
        await client.send(half)
        await s.upstream.until(lambda: s.upstream.requests)
        await client.send(half)
        assert (await client.receive(patience=LONG)).body == b"ok"
        assert s.upstream.requests[0].body == half + half


async def test_connections_are_kept(name: str, tmp_path: Path) -> None:
    async with stand(name, tmp_path) as s, await s.client() as client:
        for _ in range(5):
            assert (await client.ask(get(), patience=LONG)).body == b"ok"
        assert len(s.upstream.connections) == 1
        assert len(s.proxy.runtime._tracker.connections) == 1


async def test_another_protocol_goes_through(name: str, tmp_path: Path) -> None:
    switch = (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    offer = (
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with (
        stand(name, tmp_path, [switch, b"\x81\x02hi", "hold"]) as s,
        await s.client() as client,
    ):
        await client.send(offer)
        assert (await client.read_until(b"\r\n\r\n", LONG)).startswith(b"HTTP/1.1 101 ")
        assert await client.exactly(4, LONG) == b"\x81\x02hi"
        await client.send(b"\x81\x80abcd")
        await s.upstream.until(lambda: b"abcd" in s.upstream.received)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_is_noticed(name: str, how: str, tmp_path: Path) -> None:
    async with stand(name, tmp_path, ["hold"]) as s:
        client = await s.client()
        await client.send(get())
        await s.upstream.until(lambda: s.upstream.requests)
        client.close() if how == "close" else client.reset()
        await asyncio.wait_for(s.upstream.connections[0].closed.wait(), LONG)
        assert (await s.proxy.record()).status == 499


async def test_nobody_but_us_tries_again(name: str, tmp_path: Path) -> None:
    async with stand(name, tmp_path, ["wait-body", length(b"no", b"503 Busy")]) as s:
        async with await s.client() as client:
            assert (await client.ask(post(b"x"), patience=LONG)).status == 503
        assert len(s.upstream.requests) == 1


async def test_a_front_that_passes_connections_on_says_who_the_client_is(tmp_path: Path) -> None:
    if not installed("haproxy"):
        pytest.skip("haproxy is not installed; tools/ci-tools.sh")
    section = "A front that passes connections on"
    server = tomllib.loads(part("toml", section))["server"] | {"listen": "127.0.0.1:0"}
    async with (
        fronted(HEALTHY, server=server) as (upstream, proxy),
        front("haproxy", tmp_path, proxy.runtime.http[0], part("haproxy", section)) as address,
    ):
        stood = Stand(address, proxy, upstream)
        async with await stood.client() as client:
            forged = get(fields=b"X-Forwarded-For: 192.0.2.1\r\n")
            assert (await client.ask(forged, patience=LONG)).status == 200
        [request] = upstream.requests
        assert request.head.value("X-Forwarded-For") == b"127.0.0.2"
        assert (await proxy.record()).client == "127.0.0.2"
        async with await proxy.connect() as stranger:  # who does not say it is not served
            await stranger.send(get())
            assert await stranger.read(patience=LONG) == b""


@pytest.mark.parametrize(("via", "coding"), [(True, None), (False, b"gzip")])
async def test_nginx_compresses_for_whoever_has_no_via(
    via: bool, coding: bytes | None, tmp_path: Path
) -> None:
    if not installed("nginx"):
        pytest.skip("nginx is not installed; tools/ci-tools.sh")
    server = (
        "gzip on; gzip_types text/plain; gzip_min_length 1; server { listen 127.0.0.1:8000;"
        ' default_type text/plain; location / { return 200 "some text"; } }'
    )
    async with (
        front("nginx", tmp_path, "", server) as (host, port),
        proxied(f"http://{host}:{port}", server={"via": via}) as proxy,
    ):
        answer = await proxy.ask(get(fields=b"Accept-Encoding: gzip\r\n"), patience=LONG)
        assert answer.value("Content-Encoding") == coding
        text = gzip.decompress(answer.body) if coding else answer.body
        assert text == b"some text"
