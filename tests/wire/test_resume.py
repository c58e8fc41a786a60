"""A client that comes back with Last-Event-ID is given the stream that it lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.support.client import RawClient
from tests.support.message import chunked, get
from tests.support.proxy import Proxy, fronted, proxied
from tests.support.upstream import HEALTHY, Connection, RawUpstream, Request

HEAD = (
    b"HTTP/1.1 200 Fine\r\nContent-Type: text/event-stream\r\nX-Stream: 1\r\n"
    b"Date: Thu, 26 Nov 2026 20:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
)
ME = b"Cookie: session=me\r\n"


def event(number: int, text: bytes = b"x") -> bytes:
    return b"id: %d\ndata: %b\n\n" % (number, text)


def sent(*numbers: int) -> bytes:
    """Events, each in a chunk of its own."""
    return chunked(*map(event, numbers), end=b"")


def back(last: int, fields: bytes = ME) -> bytes:
    """The request of a client that has seen this."""
    return get(fields=fields + b"Last-Event-ID: %d\r\n" % last)


@asynccontextmanager
async def waiting(
    *scripts: Any, resume: str = "2s", **tables: Any
) -> AsyncIterator[tuple[RawUpstream, Proxy]]:
    """A proxy that waits for clients."""
    options = {"stream": {"resume": resume}, **tables}
    async with fronted(*scripts, **options) as (upstream, proxy):
        yield upstream, proxy


async def lost(proxy: Proxy, last: bytes, end: str = "fin", request: bytes = b"") -> None:
    """A client that has seen this and left."""
    client = await proxy.connect()
    await client.send(request or get(fields=ME))
    await client.read_until(last)
    ended = len(proxy.records)
    client.close() if end == "fin" else client.reset()
    assert (await proxy.record(ended)).status == 499


async def head_of(client: RawClient, request: bytes) -> list[bytes]:
    """The lines of a reply's head."""
    await client.send(request)
    return (await client.read_until(b"\r\n\r\n")).split(b"\r\n")


@pytest.mark.parametrize("end", ["fin", "rst"])
async def test_a_client_that_comes_back_misses_nothing(end: str) -> None:
    meanwhile, later = asyncio.Event(), asyncio.Event()
    script = [HEAD + sent(1, 2), meanwhile, sent(3), later, sent(4) + chunked()]
    async with waiting(script) as (upstream, proxy):
        await lost(proxy, event(2), end)
        meanwhile.set()
        async with await proxy.connect() as client:
            status, *lines = await head_of(client, back(1))
            assert status == b"HTTP/1.1 200 Fine"
            assert {b"X-Stream: 1", b"Date: Thu, 26 Nov 2026 20:00:00 GMT"} < set(lines)
            assert sum(line.startswith((b"Via:", b"X-Request-Id:")) for line in lines) == 2
            await client.read_until(event(3))
            later.set()
            assert (await client.rest(0.2)).endswith(b"%b\r\n0\r\n\r\n" % event(4))
        resumed = await proxy.record(1)
        assert (resumed.status, resumed.error, resumed.record.attempt_count) == (200, "", 0)
        assert (resumed.record.upstream, resumed.record.endpoint) == (
            "api",
            upstream.url,
        )
        assert resumed.request_id != proxy.records[0].request_id
        assert resumed.bytes_out == len(event(2) + event(3) + event(4))
        assert len(upstream.requests) == 1


async def test_the_connection_of_a_client_that_came_back_takes_another_request() -> None:
    finish = asyncio.Event()
    script = [HEAD + sent(1, 2), finish, chunked()]
    async with waiting(script, HEALTHY) as (upstream, proxy):
        await lost(proxy, event(2))
        async with await proxy.connect() as client:
            finish.set()
            answer = await client.ask(back(1))
            assert (answer.body, answer.ended) == (event(2), "complete")
            assert (await client.ask(get())).body == b"ok"
        assert len(upstream.connections) == 1


@pytest.mark.parametrize(
    "request_",
    [
        back(1, b"Cookie: session=you\r\n"),
        back(1, ME + b"Authorization: Bearer x\r\n"),
        back(1, b"Authorization: Bearer x\r\n"),
        back(1, b""),
        back(1, ME).replace(b"GET / ", b"GET /?a "),
        back(1, ME).replace(b"GET ", b"POST "),
        back(77),
    ],
    ids=["cookie", "one more", "another kind", "none", "target", "method", "id"],
)
async def test_the_upstream_decides_what_anybody_else_is_given(request_: bytes) -> None:
    async with waiting([HEAD + sent(1, 2), "hold"], HEALTHY) as (upstream, proxy):
        await lost(proxy, event(2))
        assert (await proxy.ask(request_)).body == b"ok"
        told = upstream.requests[1].head.value("Last-Event-ID")
        assert told == (b"77" if b"77" in request_ else b"1")


async def test_an_id_that_was_dropped_is_the_upstreams_to_find() -> None:
    async def much(connection: Connection, _: Request) -> None:
        for i in range(2, 60):
            await connection.send(chunked(event(i, b"x" * 10_000), end=b""))

    async with waiting([HEAD + sent(1), much, "hold"], HEALTHY) as (upstream, proxy):
        await lost(proxy, event(59, b"x" * 10_000))
        assert (await proxy.ask(back(1))).body == b"ok"
        assert upstream.requests[1].head.value("Last-Event-ID") == b"1"
        async with await proxy.connect() as client:
            await client.send(back(55))
            await client.read_until(b"id: 56\n")
            await client.read_until(b"id: 59\n")
        assert len(upstream.requests) == 2


async def test_the_newer_client_takes_over() -> None:
    more = asyncio.Event()
    async with waiting([HEAD + sent(1, 2), more, sent(3), "hold"]) as (upstream, proxy):
        async with await proxy.connect() as older, await proxy.connect() as newer:
            await older.send(get(fields=ME))
            await older.read_until(event(2) + b"\r\n")
            await newer.send(back(1))
            await newer.read_until(event(2))
            assert await older.closed() == "fin"  # and no last chunk
            assert (await proxy.record()).status == 499
            more.set()
            await newer.read_until(event(3))
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("end", "ended"), [("fin", "fin-short"), ("rst", "fin-short"), (chunked(), "complete")]
)
async def test_an_end_meanwhile_is_told_as_what_it_was(end: Any, ended: str) -> None:
    meanwhile = asyncio.Event()
    script = [HEAD + sent(1, 2), meanwhile, sent(3), 0.02, end]
    servers: dict[str, Any] = {"load_balance": {"policy": "least_request"}, "circuit_breaker": {}}
    async with waiting(script, HEALTHY, **servers) as (upstream, proxy):
        await lost(proxy, event(2))
        (member,) = proxy.tree.endpoints["api"].members
        assert member.in_flight == 1
        meanwhile.set()
        await upstream.until(lambda: member.in_flight == 0)  # long before the client is back
        answer = await proxy.ask(back(1))
        assert (answer.status, answer.body, answer.ended) == (200, event(2) + event(3), ended)
        assert len(upstream.requests) == 1
        assert (await proxy.ask(back(3))).body == b"ok"  # that was the end of it


async def test_nobody_is_waited_for_longer_than_resume() -> None:
    async with waiting([HEAD + sent(1), "hold"], HEALTHY, resume="150ms") as (upstream, proxy):
        await lost(proxy, event(1))
        assert not upstream.connections[0].closed.is_set()
        await upstream.until(upstream.connections[0].closed.is_set)
        assert (await proxy.ask(back(1))).body == b"ok"


async def test_without_an_id_the_upstream_is_told_at_once() -> None:
    script = [HEAD + chunked(b"data: 1\n\n", end=b""), "hold"]
    async with waiting(script, resume="1m") as (upstream, proxy):
        await lost(proxy, b"data: 1\n\n")
        await upstream.until(upstream.connections[0].closed.is_set)


async def test_a_silent_upstream_is_not_waited_for_either() -> None:
    clocks = {"idle": "150ms"}
    async with waiting([HEAD + sent(1), "hold"], timeouts=clocks) as (upstream, proxy):
        await lost(proxy, event(1))
        await upstream.until(upstream.connections[0].closed.is_set)
        assert (await proxy.ask(back(1))).ended == "fin-short"


async def test_a_stream_that_is_read_on_is_bounded() -> None:
    async def flood(connection: Connection, _: Request) -> None:
        number = 1
        while not connection.closed.is_set():
            number += 1
            await connection.send(chunked(event(number, b"x" * 10_000), end=b""))

    async with waiting([HEAD + sent(1), flood]) as (upstream, proxy):
        async with await proxy.connect(receive_buffer=4096) as slow:
            await slow.send(get(fields=ME))
            await slow.read_until(event(1))
            assert await stopped(upstream.connections[0]) < 24 << 20
        assert (await proxy.record()).status == 499
        before = await stopped(upstream.connections[0])
        assert before < 24 << 20
        async with await proxy.connect() as client:  # what it had seen was dropped long ago
            await client.send(back(1))
            await upstream.until(lambda: len(upstream.requests) == 2)


async def stopped(connection: Connection) -> int:
    """What an upstream could send before it had to wait."""
    before = -1
    for _ in range(60):
        if connection.sent == before:
            return before
        before = connection.sent
        await asyncio.sleep(0.05)
    raise AssertionError(f"still sending at {before}")


async def test_each_event_arrives_before_the_next_one_is_sent() -> None:
    arrived = asyncio.Semaphore(0)

    async def events(connection: Connection, _: Request) -> None:
        for i in range(20):
            await connection.send(sent(i))
            await arrived.acquire()

    async with (
        waiting([HEAD, events, "hold"]) as (_, proxy),
        await proxy.connect() as client,
    ):
        await client.send(get(fields=ME))
        for i in range(20):
            await client.read_until(event(i))
            arrived.release()


async def test_a_drain_does_not_wait_for_clients_that_are_away() -> None:
    async with waiting([HEAD + sent(1), "hold"], resume="1m") as (upstream, proxy):
        await lost(proxy, event(1))
        assert await proxy.runtime.drain()
        await upstream.until(upstream.connections[0].closed.is_set)


async def test_at_the_end_nothing_is_left() -> None:
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(RawUpstream([HEAD + sent(1), "hold"]))
        async with proxied(upstream, stream={"resume": "1m"}) as proxy:
            await lost(proxy, event(1))
            reading = await stack.enter_async_context(await proxy.connect())
            await reading.send(get(fields=ME))
            await reading.read_until(event(1))
        await upstream.until(lambda: all(c.closed.is_set() for c in upstream.connections))
        await asyncio.sleep(0)
        mine = {task for task in asyncio.all_tasks() - before if "_run" in repr(task.get_coro())}
        assert mine == set()


async def test_operators_see_how_many_wait() -> None:
    admin = {"listen": "127.0.0.1:0"}
    async with waiting([HEAD + sent(1), "hold"], admin=admin) as (_, proxy):
        await lost(proxy, event(1))
        async with await RawClient.connect(proxy.admin) as operator:
            answer = await operator.ask(get("/api/state"))
        assert json.loads(answer.body)["streams"] == {"resumable": 1, "waiting": 1}


async def test_who_comes_back_has_a_total_of_its_own() -> None:
    clocks = {"total": "300ms"}
    async with waiting([HEAD + sent(1), "hold"], HEALTHY, timeouts=clocks) as (upstream, proxy):
        await lost(proxy, event(1))
        await asyncio.sleep(0.05)
        began = asyncio.get_running_loop().time()
        answer = await proxy.ask(back(1))
        assert answer.ended == "fin-short"
        assert asyncio.get_running_loop().time() - began > 0.28
        assert upstream.connections[0].closed.is_set()
        assert (await proxy.ask(back(1))).body == b"ok"
