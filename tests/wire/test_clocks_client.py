"""The clocks on the client's side: heads, bodies, idleness, and replies that nobody takes."""

import asyncio
import contextlib

import pytest

from tests.support.message import CHUNKED_HEAD, OK, get, length, post
from tests.support.proxy import dialled, fronted
from tests.support.timing import taking_at_least
from tests.support.upstream import Connection, Request

STALLING = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"


async def test_a_head_that_stalls_is_408() -> None:
    options = {"server": {"request_headers_timeout": "80ms"}}
    async with fronted(**options) as (upstream, proxy):
        async with await proxy.connect() as client:
            with taking_at_least(0.08):
                response = await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX-A:")
            assert (response.status, await client.closed()) == (408, "fin")
        assert upstream.received == b""


async def test_a_head_that_drips_is_408() -> None:
    options = {"server": {"request_headers_timeout": "100ms"}}
    async with dialled(**options) as (_, _, client):
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(7):
                await client.send(b"X-Drip: 1\r\n")
                await asyncio.sleep(0.02)
        assert (await client.receive()).status == 408


async def test_a_second_head_has_its_clock_too() -> None:
    options = {"server": {"request_headers_timeout": "1s"}}
    async with dialled(**options) as (_, _, client):
        assert (await client.ask(get())).status == 200
        assert (await client.ask(b"GET / HT")).status == 408


@pytest.mark.parametrize("first", [b"", b"first"])
async def test_a_request_body_that_stalls_is_408(first: bytes) -> None:
    options = {"server": {"body_idle_timeout": "80ms"}}
    async with fronted(["hold"], **options) as (upstream, proxy):
        async with await proxy.connect() as client:
            with taking_at_least(0.08):
                response = await client.ask(STALLING + first)
            assert (response.status, await client.closed()) == (408, "fin")
            assert response.value("Proxy-Status") == b"sidecar-proxy; error=http_request_error"
        await upstream.until(lambda: all(c.closed.is_set() for c in upstream.connections))
        assert not any(request.complete for request in upstream.requests)


async def test_a_request_body_that_drips_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.edge.http1.body_clock.RATE_GRACE", 0.1)
    options = {"server": {"body_idle_timeout": "1s", "body_min_rate": "1KiB"}}
    async with fronted(["hold"], **options) as (upstream, proxy):
        async with await proxy.connect() as client:
            with taking_at_least(0.05):
                await client.send(STALLING)
                with contextlib.suppress(ConnectionError):
                    for _ in range(7):
                        await client.send(b"x")
                        await asyncio.sleep(0.03)
                assert (await client.receive()).status == 408
        await upstream.until(lambda: all(c.closed.is_set() for c in upstream.connections))


async def test_a_request_body_that_is_fast_enough_goes_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.edge.http1.body_clock.RATE_GRACE", 1.0)
    options = {"server": {"body_idle_timeout": "30s", "body_min_rate": "4B"}}
    async with dialled(**options) as (_, _, client):
        await client.send(STALLING)
        for _ in range(5):
            await client.send(b"x" * 20)
            await asyncio.sleep(0.3)
        assert (await client.receive()).status == 200


async def test_an_idle_connection_is_closed() -> None:
    options = {"server": {"keepalive_timeout": "80ms"}}
    async with dialled(**options) as (_, _, client):
        with taking_at_least(0.08):  # its time begins before the client has the reply
            assert (await client.ask(get())).status == 200
            assert await client.closed() == "fin"


async def test_a_connection_on_which_nothing_is_ever_said_is_closed() -> None:
    options = {"server": {"keepalive_timeout": "80ms", "request_headers_timeout": "80ms"}}
    async with dialled(**options) as (_, _, client):
        assert await client.closed() == "fin"


async def test_a_slow_upstream_does_not_count_as_an_idle_client() -> None:
    options = {"server": {"keepalive_timeout": "50ms", "request_headers_timeout": "50ms",
                          "body_idle_timeout": "50ms", "write_idle_timeout": "50ms"}}  # fmt: skip
    async with fronted(["wait-body", 0.2, OK], **options) as (_, proxy):
        assert (await proxy.ask(post(b"x"))).status == 200


async def _flood(connection: Connection, _: Request) -> None:
    while not connection.closed.is_set():
        await connection.send(b"10000\r\n%s\r\n" % (b"x" * 65_536))


@pytest.mark.parametrize(("version", "ends"), [("1.1", ("fin", "rst")), ("1.0", ("rst",))])
async def test_a_client_that_stops_reading_is_cut(version: str, ends: tuple[str, ...]) -> None:
    """Only a reset tells a client of HTTP/1.0 that this is not the whole."""
    options = {"server": {"write_idle_timeout": "100ms"}}
    async with (
        fronted([CHUNKED_HEAD, _flood], **options) as (upstream, proxy),
        await proxy.connect(receive_buffer=4096) as client,
    ):
        await client.send(get().replace(b"1.1", version.encode()))
        await upstream.until(lambda: bool(upstream.connections))
        await upstream.until(upstream.connections[0].closed.is_set)
        await proxy.record()
        assert not (await client.rest(0.3)).endswith(b"\r\n0\r\n\r\n")
        assert client.end in ends


async def test_a_client_that_reads_slowly_is_not_cut() -> None:
    body = b"x" * 300_000
    options = {"server": {"write_idle_timeout": "100ms"}}
    async with fronted([length(body)], **options) as (_, proxy):
        async with await proxy.connect(receive_buffer=4096) as client:
            await client.send(get())
            got = await client.read_until(b"\r\n\r\n")
            for _ in range(6):
                got = await client.read()
                assert got
                await asyncio.sleep(0.04)
            await client.rest(0.05)
            assert client.end == ""
        record = await proxy.record()
        assert (record.status, record.bytes_out) == (200, len(body))
