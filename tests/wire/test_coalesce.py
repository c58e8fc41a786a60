"""Equal requests share one call, counting what the upstream really received."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.client import Response, ask
from tests.support.message import get, length
from tests.support.proxy import Proxy, dialled, fronted, joined

ANSWER = length(b"answer")


def coalesced(**options: Any) -> dict[str, Any]:
    return {"coalesce": options, "admin": {"listen": "127.0.0.1:0"}}


async def ask_together(
    proxy: Proxy, gate: asyncio.Event, requests: Sequence[bytes], calls: int = 1
) -> list[Response]:
    """The answers to requests, the gate of the upstream opened when all share their calls."""
    asking = [asyncio.create_task(proxy.ask(request)) for request in requests]
    await joined(proxy, len(requests) - calls)
    gate.set()
    return await asyncio.gather(*asking)


async def test_hundreds_of_clients_are_one_request() -> None:
    gate = asyncio.Event()
    async with fronted([gate, ANSWER], **coalesced()) as (upstream, proxy):
        answers = await ask_together(proxy, gate, [get()] * 300)
        assert {(answer.status, answer.body) for answer in answers} == {(200, b"answer")}
        assert {answer.ended for answer in answers} <= {"complete", "open"}
        assert len({answer.value("X-Request-Id") for answer in answers}) == 300
        assert len(upstream.requests) == 1
        assert sum(exchange.record.coalesced for exchange in proxy.records) == 299
        assert sum(exchange.record.attempt_count for exchange in proxy.records) == 1
        state = json.loads((await ask(proxy.admin, get("/api/coalesce"))).body)
        assert state["kept_bytes"] == 0
        assert state["routes"]["/"]["joined"] == 299


async def test_a_large_body_reaches_the_fast_and_the_slow() -> None:
    size = 10 << 20
    data = bytes(range(256)) * (size // 256)
    gate = asyncio.Event()
    script = [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size,
        data[: size // 2],
        gate,
        data[size // 2 :],
    ]
    async with (
        fronted(script, **coalesced()) as (upstream, proxy),
        await proxy.connect(receive_buffer=4096) as slow,
    ):
        await slow.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        asking = [asyncio.create_task(proxy.ask(get())) for _ in range(10)]
        await joined(proxy, 10)
        gate.set()
        answers = await asyncio.gather(*asking)
        assert all(answer.body == data for answer in answers)
        assert (await slow.receive()).body == data
        assert len(upstream.requests) == 1


async def test_a_body_that_is_cut_is_cut_for_all() -> None:
    gate = asyncio.Event()
    script = [
        gate,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        0.05,
        "fin",
    ]
    async with fronted(script, **coalesced()) as (upstream, proxy):
        answers = await ask_together(proxy, gate, [get()] * 5)
        assert {answer.body for answer in answers} == {b"abc"}
        assert "complete" not in {answer.ended for answer in answers}
        assert len(upstream.requests) == 1


async def test_the_first_client_may_leave() -> None:
    gate = asyncio.Event()
    async with dialled([gate, ANSWER], **coalesced()) as (upstream, proxy, first):
        await first.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        others = [asyncio.create_task(proxy.ask(get())) for _ in range(5)]
        await joined(proxy, 5)
        first.reset()
        await upstream.until(lambda: proxy.records)
        gate.set()
        assert {(await other).body for other in others} == {b"answer"}
        assert len(upstream.requests) == 1


async def test_when_all_leave_the_upstream_is_told() -> None:
    async with fronted(["hold"], **coalesced()) as (upstream, proxy):
        clients = [await proxy.connect() for _ in range(3)]
        for client in clients:
            await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        for client in clients:
            await client.__aexit__(None, None, None)
        await upstream.until(upstream.connections[0].closed.is_set)


@pytest.mark.parametrize(
    "field", [b"Set-Cookie: a=1", b"Cache-Control: private", b"Vary: *"], ids=str
)
async def test_what_is_for_one_client_is_asked_for_by_each(field: bytes) -> None:
    gate = asyncio.Event()
    script = [gate, length(b"mine", b"200 OK", field + b"\r\n")]
    async with fronted(script, **coalesced()) as (upstream, proxy):
        answers = await ask_together(proxy, gate, [get()] * 5)
        assert {answer.body for answer in answers} == {b"mine"}
        assert len(upstream.requests) == 5


async def test_credentials_keep_clients_apart() -> None:
    gate = asyncio.Event()
    async with fronted([gate, ANSWER], **coalesced()) as (upstream, proxy):
        fields = [b"Authorization: Bearer %d\r\n" % (n % 3) for n in range(9)]
        await ask_together(proxy, gate, [get("/", field) for field in fields], calls=3)
        assert len(upstream.requests) == 3


async def test_a_failure_is_told_to_all() -> None:
    tables = coalesced() | {"retry": False}
    gate = asyncio.Event()
    async with fronted([gate, "rst"], **tables) as (upstream, proxy):
        answers = await ask_together(proxy, gate, [get()] * 5)
        assert {answer.status for answer in answers} == {502}
        assert len(upstream.requests) == 1


async def test_a_drain_leaves_nothing_behind() -> None:
    async with dialled(
        ["hold"],
        **coalesced(),
        shutdown={"grace_period": "20ms"},
    ) as (upstream, proxy, client):
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        await proxy.runtime.drain()
        await proxy.runtime.close()
        await upstream.until(upstream.connections[0].closed.is_set)
        assert not [t for t in asyncio.all_tasks() if "SharedCall.run" in repr(t)]


@pytest.mark.parametrize("tables", [coalesced(), {"cache": {"ttl": "1s"}}])
@pytest.mark.parametrize("total", ["0", "300ms"])
async def test_the_log_tells_who_was_asked_where_no_head_came(
    tables: dict[str, Any], total: str
) -> None:
    options = {**tables, "timeouts": {"total": total}}
    async with fronted(["hold"], **options) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(get())
            await upstream.until(lambda: upstream.requests)
            if total != "0":
                assert (await client.receive()).status == 504
        ended = await proxy.record()
        assert ended.status == (499 if total == "0" else 504)
        assert (ended.record.attempt_count, ended.record.endpoint) == (1, upstream.url)
        assert ended.record.connect_s is not None
