"""Limits as clients and upstreams see them."""

import asyncio
import json
from typing import Any

from tests.support.client import ask
from tests.support.message import get, length, post
from tests.support.proxy import dialled, fronted, proxied
from tests.support.upstream import RawUpstream

ADMIN = {"listen": "127.0.0.1:0"}
TURNS = {"load_balance": {"policy": "round_robin"}}
"""Each server is asked, whatever would be drawn."""


def limit(**options: Any) -> dict[str, Any]:
    return {"rate_limit": options, "admin": ADMIN}


async def test_a_client_over_its_limit_is_429_on_a_connection_that_stays() -> None:
    tables = limit(average=1, period="60s", burst=2)
    async with dialled(**tables) as (upstream, proxy, client):
        statuses = []
        for _ in range(3):
            await client.send(get())
            answer = await client.receive()
            statuses.append(answer.status)
        assert statuses == [200, 200, 429]
        assert answer.value("Proxy-Status") == b"sidecar-proxy; error=http_request_denied"
        assert answer.value("Retry-After") == b"60"
        assert answer.value("RateLimit-Policy") == b'"default";q=1;w=60'
        assert answer.value("RateLimit") == b'"default";r=0;t=60'
        assert answer.value("Connection") is None
        problem = json.loads(answer.body)
        assert (problem["status"], problem["title"]) == (429, "Too Many Requests")
        assert len(upstream.requests) == 2
        state = json.loads((await ask(proxy.admin, get("/api/rate_limits"))).body)
        assert state["/"]["refused"] == 1
        assert state["/"]["left"] == {"127.0.0.1": 0.0}


async def test_a_body_that_was_refused_ends_the_connection_cleanly() -> None:
    tables = limit(average=1, period="60s")
    async with fronted(**tables) as (_, proxy):
        assert (await proxy.ask(post(b"x"))).status == 200
        assert (await proxy.ask(post(b"x" * 100_000))).status == 429


async def test_a_short_wait_is_waited() -> None:
    tables = limit(average=5, burst=1, max_wait="60s")
    clock = asyncio.get_running_loop().time
    async with fronted(**tables) as (_, proxy):
        began = clock()
        answers = await asyncio.gather(*(proxy.ask(get()) for _ in range(5)))
        assert {answer.status for answer in answers} == {200}
        assert clock() - began >= 0.79, "four of them wait for a fifth of a second each"
        waits = [exchange.record.queue_s for exchange in proxy.records]
        assert 0.1 < max(waits) < clock() - began


async def test_an_upstream_that_refused_is_asked_no_more_until_its_time() -> None:
    busy = length(b"", b"429 Too Many Requests", b"Retry-After: 30\r\n")
    async with fronted([busy], **limit()) as (upstream, proxy):
        first = await proxy.ask(get())
        assert (first.status, first.value("Retry-After")) == (429, b"30")
        second = await proxy.ask(get())
        assert second.status == 429
        assert second.value("Proxy-Status") == b"sidecar-proxy; error=http_request_denied"
        assert second.value("Retry-After") in (b"29", b"30")
        assert len(upstream.requests) == 1
        [server] = json.loads((await ask(proxy.admin, get("/api/upstreams"))).body)["api"]
        assert 28 < server["quota"]["longest"]["wait_s"] <= 30


async def test_another_server_is_asked_in_the_meantime() -> None:
    last = length(b"one", fields=b"X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 30\r\n")
    async with RawUpstream([last]) as one, RawUpstream([length(b"two")]) as two:
        servers = {"upstream_options": {"servers": [one.url, two.url], **TURNS}}
        async with proxied(one, **limit(), **servers) as proxy:
            bodies = [(await proxy.ask(get())).body for _ in range(6)]
        assert bodies.count(b"one") == 1
        assert len(one.requests) == 1


async def test_without_learning_everything_is_sent() -> None:
    busy = length(b"", b"429 Too Many Requests", b"Retry-After: 30\r\n")
    tables = limit(average=1000, learn=False)
    async with fronted([busy], **tables) as (upstream, proxy):
        for _ in range(3):
            await proxy.ask(get())
        assert len(upstream.requests) == 3


async def test_a_server_with_little_left_is_asked_less_than_others() -> None:
    def left(count: int) -> list[bytes]:
        return [length(b"one", fields=b'RateLimit: "a";r=%d;t=60\r\n' % count)]

    async with RawUpstream(left(100), left(10)) as one, RawUpstream([length(b"two")]) as two:
        servers = {"upstream_options": {"servers": [one.url, two.url]}}
        async with proxied(one, **limit(), **servers) as proxy:
            statuses = [(await proxy.ask(get())).status for _ in range(20)]
        assert set(statuses) == {200}
        assert len(one.requests) == 2
        assert len(two.requests) == 18
