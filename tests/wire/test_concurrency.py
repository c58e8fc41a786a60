"""Permits, the queue for them, and what a client sees of both."""

import asyncio
import json
from typing import Any

import pytest

from proxy.core.clock import monotonic
from tests.support.client import Response, ask
from tests.support.message import get, length, post
from tests.support.proxy import Proxy, dialled, fronted, proxied
from tests.support.upstream import PATIENCE, RawUpstream

ADMIN = {"listen": "127.0.0.1:0"}


def limited(most: int = 1, **queue: Any) -> dict[str, Any]:
    """So many requests at a time, and a queue where anything is said of it."""
    tables: dict[str, Any] = {"admin": ADMIN, "concurrency": {"max_requests": most}}
    if most < 4:
        tables["concurrency"]["min"] = 1
    return tables | ({"queue": queue} if queue else {})


async def state(proxy: Proxy) -> dict[str, Any]:
    """Of the gate, as operators see it."""
    found = json.loads((await ask(proxy.admin, get("/api/concurrency"))).body)
    gate: dict[str, Any] = found["api"]
    return gate


async def test_no_more_requests_than_allowed_are_under_way_and_the_rest_wait() -> None:
    async with fronted([0.02, length(b"ok")], **limited(3, size=100)) as (upstream, proxy):
        asked = [asyncio.create_task(proxy.ask(get())) for _ in range(12)]
        assert {(await task).status for task in asked} == {200}
        assert len(upstream.requests) == 12
        assert len(upstream.connections) <= 3
        assert (await state(proxy))["in_flight"] == 0
        waited = sorted(exchange.record.queue_s for exchange in proxy.records)
        assert waited[2] < 0.01 < waited[-1]


async def test_a_permit_is_held_as_long_as_a_body_streams() -> None:
    gate = asyncio.Event()
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", gate, b"cd"]
    async with fronted(script, **limited(1, size=9)) as (upstream, proxy):
        first = asyncio.create_task(proxy.ask(get()))
        await upstream.until(lambda: len(upstream.requests) == 1)
        second = asyncio.create_task(proxy.ask(get()))
        await until(proxy, "waiting", 1)
        assert len(upstream.requests) == 1
        gate.set()
        assert (await first).body == (await second).body == b"abcd"


async def until(proxy: Proxy, name: str, value: int) -> None:
    """Wait for a figure of the gate."""
    async with asyncio.timeout(PATIENCE):
        while (await state(proxy))[name] != value:  # noqa: ASYNC110 - the proxy tells no tests
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("request_", [get(), post(b"x" * 1000)], ids=["get", "post"])
async def test_a_full_queue_is_503_with_a_time_to_come_again(request_: bytes) -> None:
    async with fronted(["hold"], **limited(1, size=1)) as (upstream, proxy):
        waiting = [asyncio.create_task(proxy.ask(get())) for _ in range(2)]
        await upstream.until(lambda: len(upstream.requests) == 1)
        await until(proxy, "waiting", 1)
        refused = await proxy.ask(request_)
        assert refused.status == 503
        assert refused.value("Proxy-Status") == (b"sidecar-proxy; error=connection_limit_reached")
        assert refused.value("Retry-After") == b"10"
        assert json.loads(refused.body)["status"] == 503
        assert len(upstream.requests) == 1
        for task in waiting:
            task.cancel()


async def test_who_waits_longer_than_the_clock_allows_is_503() -> None:
    async with RawUpstream(["hold"]) as upstream:
        tables = limited(1, size=9) | {
            "timeouts": {"queue": "30ms"},
            "errors": {"details": True},
        }
        async with proxied(upstream, **tables) as proxy:
            held = asyncio.create_task(proxy.ask(get()))
            await upstream.until(lambda: len(upstream.requests) == 1)
            start = monotonic()
            response = await proxy.ask(get())
            assert response.status == 503
            assert b"error=connection_limit_reached" in (response.value("Proxy-Status") or b"")
            assert b"for a permit" in response.body
            exchange = await proxy.record()
            assert 0.02 < exchange.record.queue_s <= monotonic() - start
            assert exchange.record.attempt_count == 0
            held.cancel()


async def test_without_a_queue_what_is_over_the_limit_is_503_at_once() -> None:
    async with fronted(["hold"], **limited(1)) as (upstream, proxy):
        held = asyncio.create_task(proxy.ask(get()))
        await upstream.until(lambda: len(upstream.requests) == 1)
        assert (await proxy.ask(get())).status == 503
        held.cancel()


async def test_a_client_that_leaves_while_it_is_served_makes_room() -> None:
    script = ["hold"], [length(b"ok")]
    async with (
        dialled(*script, **limited(1, size=9)) as (upstream, proxy, first),
        await proxy.connect() as second,
    ):
        await first.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        await second.send(get())
        await until(proxy, "waiting", 1)
        first.reset()
        assert (await second.receive()).status == 200
        await until(proxy, "in_flight", 0)


async def test_a_client_that_leaves_while_it_waits_makes_room() -> None:
    async with (
        dialled(["hold"], **limited(1, size=1)) as (upstream, proxy, first),
        await proxy.connect() as second,
    ):
        await first.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        await second.send(get())
        await until(proxy, "waiting", 1)
        second.reset()
        await until(proxy, "waiting", 0)
        first.reset()
        await until(proxy, "in_flight", 0)
        assert len(upstream.requests) == 1


async def test_clients_share_by_what_tells_them_apart() -> None:
    tables = limited(1, size=100, key="header:X-Tenant")
    tables["admin"] = {**tables["admin"], "show_keys": ["header:X-Tenant"]}
    go = asyncio.Event()
    async with fronted([go, length(b"ok")], [length(b"ok")], **tables) as (upstream, proxy):

        async def asked(tenant: str) -> Response:
            return await proxy.ask(get(f"/{tenant}", b"X-Tenant: %s\r\n" % tenant.encode()))

        start = monotonic()
        hogs = [asyncio.create_task(asked("hog")) for _ in range(20)]
        await until(proxy, "waiting", 19)
        hog = (await state(proxy))["waiting_by_key"]["hog"]
        assert hog["waiting"] == 19
        assert 0 < hog["longest_s"] <= monotonic() - start
        mouse = asyncio.create_task(asked("mouse"))
        await until(proxy, "waiting", 20)
        go.set()
        await mouse
        lines = [request.line for request in upstream.requests]
        assert lines.index(b"GET /mouse HTTP/1.1") < 10
        await asyncio.gather(*hogs)


async def test_the_limit_is_of_the_upstream_not_of_a_route() -> None:
    async with RawUpstream(["hold"]) as upstream:
        routes = [{"path": "/a", "upstream": "api"}, {"path": "/b", "upstream": "api"}]
        async with proxied(upstream, routes=routes, **limited(1)) as proxy:
            held = asyncio.create_task(proxy.ask(get("/a")))
            await upstream.until(lambda: len(upstream.requests) == 1)
            assert (await proxy.ask(get("/b"))).status == 503
            held.cancel()


async def test_an_adaptive_limit_is_at_work() -> None:
    tables = limited(64, size=1000)
    tables["concurrency"]["adaptive"] = "gradient"
    async with fronted([0.005, length(b"ok")], **tables) as (_, proxy):
        assert (await state(proxy))["limit"] == 16
        async with asyncio.timeout(60):
            while (await state(proxy))["limit"] == 16:
                answers = await asyncio.gather(*[proxy.ask(get()) for _ in range(64)])
                assert {answer.status for answer in answers} == {200}
