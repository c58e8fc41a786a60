"""Streams of events that the proxy ends itself: the last event says why."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest

from proxy.edge.http1.connection import Connection
from tests.support.client import RawClient, ask
from tests.support.message import chunked, get, post
from tests.support.proxy import Proxy, dialled

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST = b"data: 1\n\n"

End: TypeAlias = Callable[[Proxy], Coroutine[Any, Any, None]]


async def grace_over(proxy: Proxy) -> None:
    """Only a stream of events is cut, which no end belongs to."""
    assert await proxy.runtime.drain()
    await proxy.runtime.close()


async def at_once(proxy: Proxy) -> None:
    """As a second signal does."""
    await proxy.runtime.close()


async def operator(proxy: Proxy) -> None:
    [exchange] = proxy.runtime._tracker.exchanges()
    cancel = post(target=f"/api/exchanges/{exchange.request_id}/cancel")
    assert (await ask(proxy.admin, cancel)).status == 200


ENDS = [grace_over, at_once, operator]


@asynccontextmanager
async def streaming(
    *script: Any, fields: bytes = b"", **stream: Any
) -> AsyncIterator[tuple[Proxy, RawClient]]:
    tables = {"admin": {"listen": "127.0.0.1:0"}, "shutdown": {"grace_period": "20ms"}}
    async with dialled([*script, "hold"], stream=stream, **tables) as (_, proxy, client):
        await client.send(get(fields=fields))
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        yield proxy, client


def pieces(rest: bytes) -> bytes:
    """What chunks hold whose last one is missing."""
    found = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return found


@pytest.mark.parametrize(
    ("shape", "begins"),
    [
        ("event", b"event: error\ndata: {"),
        ("openai", b'data: {"error":{'),
        ("anthropic", b'event: error\ndata: {"type":"error",'),
        ("graphql", b'event: next\ndata: {"errors":['),
    ],
)
@pytest.mark.parametrize("end", ENDS)
async def test_the_last_event_says_why(end: End, shape: str, begins: bytes) -> None:
    async with streaming(HEAD + chunked(FIRST, end=b""), on_error=shape) as (proxy, client):
        assert await client.read_until(FIRST + b"\r\n")
        await end(proxy)
        last = pieces(await client.rest())
        assert last.startswith(begins)
        assert last.endswith(b"\n\n")
        record = await proxy.record()
    denied = end is operator
    assert record.error == ("http_request_denied" if denied else "destination_unavailable")
    assert record.bytes_out == len(FIRST + last)


@pytest.mark.parametrize("end", ENDS)
async def test_a_stream_that_was_opened_early_has_one_too(end: End) -> None:
    accept = b"Accept: text/event-stream\r\n"
    async with streaming(fields=accept, heartbeat="10ms") as (proxy, client):
        await client.read_until(b": heartbeat\n\n\r\n")
        await end(proxy)
        assert b"event: error\ndata: {" in pieces(await client.rest())


@pytest.mark.parametrize("end", ENDS)
async def test_half_an_event_is_never_followed_by_another(end: End) -> None:
    """Where it was kept back it is left out; where it is out in part, nothing may follow."""
    held = HEAD + chunked(FIRST + b"data: ha", end=b"")
    async with streaming(held, on_error="event") as (proxy, client):
        assert await client.read_until(FIRST + b"\r\n")
        await end(proxy)
        assert pieces(await client.rest()).startswith(b"event: error\n")
    long = b"data: " + b"x" * 100_000
    async with streaming(HEAD + chunked(long, end=b""), on_error="event") as (proxy, client):
        assert b"error" not in await client.exactly(100_000)
        await end(proxy)
        assert b"error" not in await client.rest()


@pytest.mark.parametrize("end", ENDS)
async def test_behind_the_last_event_that_was_meant_the_end_is_clean(end: End) -> None:
    done = HEAD + chunked(b"data: [DONE]\n\n", end=b"")
    async with streaming(done, on_error="openai") as (proxy, client):
        assert await client.read_until(b"[DONE]\n\n\r\n")
        await end(proxy)
        assert await client.rest() == b"0\r\n\r\n"


@pytest.mark.parametrize("end", ENDS)
async def test_a_client_that_does_not_read_holds_nothing_up(end: End) -> None:
    flood = chunked((b"data: %b\n\n" % bytes(1000)) * 60, end=b"") * 600
    async with streaming(HEAD + flood, on_error="event") as (proxy, _):
        [connection] = proxy.runtime._tracker.connections
        assert isinstance(connection, Connection)
        async with asyncio.timeout(60):
            while not connection.writing_paused:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.01)
        async with asyncio.timeout(30):  # half of write_idle_timeout
            await end(proxy)
            assert (await proxy.record()).error
