"""Copies of slow requests, counting what the upstreams really received."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.client import ask
from tests.support.message import get, length, post
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream, Script

ADMIN = {"listen": "127.0.0.1:0"}
KEYED = post(b"body", fields=b"Idempotency-Key: 1\r\n")


LATE = {"delay": "1s", "budget_percent": 100.0}
"""Late enough for a body or an answer to come before, on a slow machine too."""


def hedged(*servers: RawUpstream, **more: Any) -> dict[str, Any]:
    return {
        "admin": ADMIN,
        "hedge": {"delay": "30ms", "budget_percent": 100.0},
        "upstream_options": {
            "servers": [server.url for server in servers],
            "load_balance": {"policy": "round_robin"},
        },
        **more,
    }


def received(*servers: RawUpstream) -> list[int]:
    return [len(server.requests) for server in servers]


@pytest.mark.parametrize("request_", [get(), KEYED], ids=["get", "keyed post"])
async def test_another_server_answers_for_one_that_stalls(request_: bytes) -> None:
    async with (
        RawUpstream(["wait-body", "hold"]) as slow,
        RawUpstream(["wait-body", length(b"fast")]) as fast,
        proxied(slow, **hedged(slow, fast)) as proxy,
    ):
        response = await proxy.ask(request_)
        assert (response.status, response.body) == (200, b"fast")
        assert received(slow, fast) == [1, 1]
        assert slow.requests[0].body == fast.requests[0].body
        await slow.until(slow.connections[0].closed.is_set)  # the loser is told at once
        exchange = await proxy.record()
        assert (exchange.record.endpoint, exchange.record.attempt_count) == (fast.url, 2)
        assert [(t.endpoint, t.outcome) for t in exchange.record.attempt_log] == [
            (slow.url, "hedged"),
            (fast.url, "200"),
        ]
        [state] = json.loads((await ask(proxy.admin, get("/api/hedges"))).body)
        assert (state["sent"], state["won"], state["delay_ms"]) == (1, 1, 30.0)


async def test_a_post_that_nobody_may_repeat_is_sent_once() -> None:
    async with (
        RawUpstream([0.1, length(b"slow")]) as slow,
        RawUpstream([0.1, length(b"slow")]) as other,
        proxied(slow, **hedged(slow, other)) as proxy,
    ):
        assert (await proxy.ask(post(b"x"))).body == b"slow"
        assert sum(received(slow, other)) == 1


async def test_the_winners_connection_is_used_again_and_the_losers_is_not() -> None:
    async with (
        RawUpstream(["wait-body", "hold"], [length(b"well")]) as slow,
        RawUpstream([length(b"fast")]) as fast,
        proxied(slow, **hedged(slow, fast, hedge=LATE)) as proxy,
    ):
        for _ in range(4):
            assert (await proxy.ask(get())).status == 200
        assert [len(connection.requests) for connection in fast.connections] == [received(fast)[0]]
        assert len(slow.connections[0].requests) == 1


async def test_a_body_that_has_streamed_in_is_copied_too() -> None:
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"
    async with (
        RawUpstream(["wait-body", "hold"]) as slow,
        RawUpstream(["wait-body", length(b"fast")]) as fast,
        proxied(slow, **hedged(slow, fast, hedge=LATE)) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(head)
        await slow.until(lambda: len(slow.requests) == 1)
        await client.send(b"def")
        assert (await client.receive()).body == b"fast"
        assert fast.requests[0].body == b"abcdef"


async def test_a_body_that_is_still_coming_is_sent_to_one_server() -> None:
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"
    async with (
        RawUpstream(["wait-body", length(b"done")]) as slow,
        RawUpstream(["wait-body", length(b"done")]) as other,
        proxied(slow, **hedged(slow, other)) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(head)
        await asyncio.sleep(0.08)
        await client.send(b"def")
        assert (await client.receive()).body == b"done"
        assert sum(received(slow, other)) == 1


async def test_a_client_that_leaves_ends_both() -> None:
    async with (
        RawUpstream(["hold"]) as slow,
        RawUpstream(["hold"]) as other,
        proxied(slow, **hedged(slow, other)) as proxy,
    ):
        async with await proxy.connect() as client:
            await client.send(get())
            await other.until(lambda: sum(received(slow, other)) == 2)
        for server in (slow, other):
            await server.until(server.connections[0].closed.is_set)


async def test_nothing_is_copied_while_permits_are_scarce() -> None:
    limits = {"concurrency": {"max_requests": 1, "min": 1}, "queue": {}}
    async with (
        RawUpstream([0.1, length(b"slow")]) as slow,
        RawUpstream([0.1, length(b"slow")]) as other,
        proxied(slow, **hedged(slow, other, **limits)) as proxy,
    ):
        assert (await proxy.ask(get())).status == 200
        assert sum(received(slow, other)) == 1


@pytest.mark.parametrize("attempts", [2, 3])
async def test_a_request_is_sent_no_more_often_than_attempts_says(attempts: int) -> None:
    timeouts = {"per_try": "100ms", "total": "3s"}
    async with (
        RawUpstream(["hold"]) as stuck,
        proxied(stuck, **hedged(stuck, retry={"attempts": attempts}, timeouts=timeouts)) as proxy,
    ):
        assert (await proxy.ask(get())).status == 504
        exchange = await proxy.record()
        assert len(stuck.requests) == exchange.record.attempt_count == attempts


@pytest.mark.parametrize("retry", [False, {"attempts": 1}])
async def test_a_copy_is_sent_where_nothing_is_tried_again(retry: Any) -> None:
    async with (
        RawUpstream(["hold"]) as slow,
        RawUpstream([length(b"fast")]) as fast,
        proxied(slow, **hedged(slow, fast, retry=retry)) as proxy,
    ):
        assert (await proxy.ask(get())).body == b"fast"
        assert received(slow, fast) == [1, 1]


async def test_retries_go_on_where_all_copies_failed() -> None:
    both = asyncio.Event()
    bad: Script = [both, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"]
    retry = {"on": ["503"], "backoff_base": "1ms"}
    async with (
        RawUpstream(bad) as one,
        RawUpstream(bad) as two,
        RawUpstream([length(b"well")]) as three,
        proxied(one, **hedged(one, two, three, retry=retry) | {"hedge": LATE}) as proxy,
    ):
        asked = asyncio.ensure_future(proxy.ask(get()))
        await one.until(lambda: one.requests)
        await two.until(lambda: two.requests)
        both.set()  # they fail long before there could be another copy
        assert (await asked).body == b"well"
        exchange = await proxy.record()
        assert exchange.record.attempt_count == 3
        assert [attempt.outcome for attempt in exchange.record.attempt_log] == [
            "503",
            "503",
            "200",
        ]
