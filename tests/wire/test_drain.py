"""The end of a proxy: what is in flight finishes, what is new goes elsewhere."""

import asyncio
from typing import Any

import pytest

from tests.support.client import ask
from tests.support.message import CHUNKED_HEAD, OK, chunked, get
from tests.support.proxy import Proxy, dialled, fronted, proxied
from tests.support.upstream import RawUpstream

ADMIN: dict[str, Any] = {"admin": {"listen": "127.0.0.1:0"}}


async def drained(proxy: Proxy) -> "asyncio.Task[bool]":
    """A drain that has begun."""
    task = asyncio.ensure_future(proxy.runtime.drain())
    await proxy.breathe()
    return task


async def test_a_reply_in_flight_finishes() -> None:
    go = asyncio.Event()
    script = [CHUNKED_HEAD, chunked(b"first", end=b""), go, chunked(b"last")]
    async with dialled(script) as (_, proxy, client):
        await client.send(get())
        head = await client.read_until(b"first\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        draining = await drained(proxy)
        assert not draining.done()
        go.set()
        assert await client.read_until(b"0\r\n\r\n") == b"4\r\nlast\r\n0\r\n\r\n"
        assert await draining
        assert await client.closed() == "fin"


async def test_a_request_that_still_waits_for_its_reply_is_told_to_close() -> None:
    go = asyncio.Event()
    async with fronted([go, OK]) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(get())
            await upstream.until(lambda: len(upstream.requests) == 1)
            draining = await drained(proxy)
            go.set()
            response = await client.receive()
            assert (response.status, response.body) == (200, b"ok")
            assert (response.value("Connection") or b"").lower() == b"close"
            assert await client.closed() == "fin"
        assert await draining


async def test_an_upload_in_flight_keeps_all_its_bytes() -> None:
    async with dialled() as (upstream, proxy, client):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n0123456789")
        await upstream.until(lambda: upstream.requests and len(upstream.requests[0].body) == 10)
        draining = await drained(proxy)
        await client.send(b"0123456789")
        await proxy.breathe()
        await client.send(b"0123456789")
        response = await client.receive()
        assert (response.status, response.ended) == (200, "complete")
        assert upstream.requests[0].body == b"0123456789" * 3
        assert await draining


async def test_new_connections_are_refused() -> None:
    go = asyncio.Event()
    async with dialled([go, OK]) as (upstream, proxy, client):
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        draining = await drained(proxy)
        with pytest.raises(ConnectionRefusedError):
            await proxy.connect()
        go.set()
        assert (await client.receive()).status == 200
        assert await draining


async def test_idle_connections_are_closed() -> None:
    async with (
        dialled() as (_, proxy, used),
        await proxy.connect() as fresh,
    ):
        assert (await used.ask(get())).status == 200
        assert await (await drained(proxy))
        assert await used.closed() == "fin"
        assert await fresh.closed() == "fin"


async def test_a_head_that_was_begun_is_finished() -> None:
    async with dialled() as (_, proxy, client):
        await client.send(b"GET / HTTP/1.1\r\nHo")
        await proxy.breathe()
        await drained(proxy)
        await client.send(b"st: a\r\n\r\n")
        response = await client.receive()
        assert (response.status, response.ended) == (200, "complete")


@pytest.mark.parametrize("before", [[], [OK]], ids=["first", "second"])
async def test_half_a_head_is_no_request_that_is_cut(before: list[bytes]) -> None:
    """Nothing of it has gone anywhere: its client may send it again."""
    options = {"shutdown": {"grace_period": "50ms"}}
    async with dialled(*[[each] for each in before], **options) as (upstream, proxy, client):
        for _ in before:
            assert (await client.ask(get())).status == 200
        await client.send(b"GET / HTTP/1.1\r\nHo")
        async with asyncio.timeout(30):
            while proxy.runtime._tracker.connections and all(  # noqa: ASYNC110 - nobody tells of it
                connection.resting for connection in proxy.runtime._tracker.connections
            ):
                await asyncio.sleep(0.01)
        assert not any(proxy.runtime.under_way)
        assert await proxy.runtime.drain()
        await proxy.runtime.close()
        assert await client.closed() == "fin"
        assert len(upstream.requests) == len(before)


async def test_what_does_not_finish_within_the_grace_period_is_cut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = {"shutdown": {"grace_period": "80ms"}}
    script = [CHUNKED_HEAD, chunked(b"hello", end=b""), "hold"]
    async with dialled(script, **options) as (upstream, proxy, client):
        await client.send(get())
        await client.read_until(b"hello\r\n")
        assert not await proxy.runtime.drain()
        assert "grace_period of 0.08 s is over: cutting 1 request" in caplog.messages
        await proxy.runtime.close()
        assert await client.closed() in ("fin", "rst")
        await upstream.until(upstream.connections[0].closed.is_set)


async def test_no_grace_period_is_one_without_end() -> None:
    options = {"shutdown": {"grace_period": "0"}}
    script = [CHUNKED_HEAD, chunked(b"hello", end=b""), 0.2, b"0\r\n\r\n"]
    async with dialled(script, **options) as (_, proxy, client):
        await client.send(get())
        await client.read_until(b"hello\r\n")
        assert await proxy.runtime.drain()


async def test_readiness_fails_first_and_the_listener_closes_later() -> None:
    options = {"shutdown": {"delay": "1500ms"}, **ADMIN}
    async with fronted(**options) as (_, proxy):
        assert (await _admin(proxy, "/readyz"), await _admin(proxy, "/healthz")) == (200, 200)
        draining = await drained(proxy)
        assert (await _admin(proxy, "/readyz"), await _admin(proxy, "/healthz")) == (503, 200)
        assert (await proxy.ask(get())).status == 200  # whoever has not heard yet is served
        assert await draining
        with pytest.raises(ConnectionRefusedError):
            await proxy.connect()
        assert await _admin(proxy, "/readyz") == 503


async def _admin(proxy: Proxy, path: str) -> int:
    return (await ask(proxy.admin, get(path))).status


async def test_closing_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    async with RawUpstream(["hold"]) as upstream:
        async with proxied(upstream) as proxy:
            client = await proxy.connect()
            await client.send(get())
            await upstream.until(lambda: len(upstream.requests) == 1)
        client.close()
        await upstream.until(upstream.connections[0].closed.is_set)
    await proxy.breathe()
    assert asyncio.all_tasks() <= before
