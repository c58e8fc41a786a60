"""Requests sit out a restart of their server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from proxy.core.clock import monotonic
from proxy.middleware.concurrency.reconnection import Reconnection
from tests.support.client import Response
from tests.support.message import OK, get, post
from tests.support.proxy import Proxy, proxied
from tests.support.scope import watched
from tests.support.upstream import PATIENCE, RawUpstream, Script, closed_port

WAIT: dict[str, Any] = {"retry": {"wait_for_connect": "10m"}}
CHUNKED = (
    b"POST /v1 HTTP/1.1\r\nHost: proxy.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\n\r\n"
)
METHODS = pytest.mark.parametrize(
    "request_", [get(), post(b"x"), CHUNKED], ids=["GET", "POST", "chunked"]
)


def reconnection(proxy: Proxy) -> Reconnection:
    [found] = watched(proxy, Reconnection)
    return found


async def waits(proxy: Proxy, number: int = 1) -> None:
    """Until so many requests have been told to wait."""
    waiting = reconnection(proxy)
    async with asyncio.timeout(PATIENCE):
        while waiting._queue.waiting < number:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.001)


@asynccontextmanager
async def asked(proxy: Proxy, *requests: bytes) -> AsyncIterator[list["asyncio.Task[Response]"]]:
    """Requests under way, each on a connection of its own."""
    async with asyncio.TaskGroup() as group:
        yield [group.create_task(proxy.ask(request)) for request in requests]


@METHODS
async def test_a_request_is_sent_when_its_server_has_started(request_: bytes) -> None:
    port = closed_port()
    async with proxied(f"http://127.0.0.1:{port}", **WAIT) as proxy:
        async with asked(proxy, request_) as [task]:
            await waits(proxy)
            async with RawUpstream(port=port) as upstream:
                assert (await task).status == 200
                assert len(upstream.requests) == 1
        assert not reconnection(proxy).waiting
        record = await proxy.record()
        assert record.record.queue_s > 0


@METHODS
async def test_a_restart_costs_no_request(request_: bytes) -> None:
    async with AsyncExitStack() as stack:
        before = RawUpstream()
        await stack.enter_async_context(before)
        proxy = await stack.enter_async_context(proxied(before, **WAIT))
        assert (await proxy.ask(request_)).status == 200
        await before.__aexit__(None, None, None)
        async with asked(proxy, request_) as [task]:
            await waits(proxy)
            async with RawUpstream(port=before.port) as after:
                assert (await task).status == 200
                assert len(after.requests) == 1
        assert len(before.requests) == 1


async def test_the_first_connection_wakes_all_and_not_the_first_reply() -> None:
    port, answer = closed_port(), asyncio.Event()
    slow: Script = ["wait-body", answer, OK]
    async with (
        proxied(f"http://127.0.0.1:{port}", **WAIT) as proxy,
        asked(proxy, *[get(), post(b"x")] * 5) as tasks,
    ):
        await waits(proxy, 10)
        async with RawUpstream(slow, port=port) as upstream:
            await upstream.until(lambda: len(upstream.requests) == 10)
            answer.set()
            assert [(await task).status for task in tasks] == [200] * 10
            assert len(upstream.requests) == 10


async def test_one_of_several_servers_is_enough() -> None:
    ports = closed_port(), closed_port()
    servers = [f"http://127.0.0.1:{port}" for port in ports]
    async with (
        proxied("", **WAIT, upstream_options={"servers": servers}) as proxy,
        asked(proxy, post(b"x")) as [task],
    ):
        await waits(proxy)
        async with RawUpstream(port=ports[1]) as upstream:
            assert (await task).status == 200
            assert len(upstream.requests) == 1


async def left_alone(proxy: Proxy) -> None:
    """Until no server may be asked."""
    [targets] = proxy.tree.nodes[0].targets
    async with asyncio.timeout(PATIENCE):
        while targets.now.usable(monotonic()):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.001)


LEFT_ALONE = pytest.mark.parametrize(
    "table",
    [
        {"circuit_breaker": {"consecutive_failures": 1, "base_ejection_time": "200ms"}},
        {"upstream_options": {"health_check": {"interval": "100ms", "unhealthy_threshold": 1}}},
    ],
    ids=["ejected", "unhealthy"],
)


@LEFT_ALONE
async def test_a_server_that_is_left_alone_as_it_is_gone_is_waited_for(
    table: dict[str, Any],
) -> None:
    port = closed_port()
    async with (
        proxied(f"http://127.0.0.1:{port}", **WAIT, **table) as proxy,
        asked(proxy, post(b"x"), get()) as tasks,
    ):
        await waits(proxy, 2)
        await left_alone(proxy)
        async with RawUpstream(port=port):
            assert [(await task).status for task in tasks] == [200, 200]


async def test_the_last_failure_is_told_after_the_wait() -> None:
    options = {"retry": {"wait_for_connect": "300ms"}, "errors": {"details": True}}
    async with proxied(f"http://127.0.0.1:{closed_port()}", **options) as proxy:
        response = await proxy.ask(post(b"x"))
        assert response.status == 502
        assert b"error=connection_refused" in (response.value("Proxy-Status") or b"")
        assert b"waited for wait_for_connect of 0.3 s" in response.body
        assert not reconnection(proxy).waiting


@LEFT_ALONE
async def test_what_is_told_is_why_there_was_no_connection(table: dict[str, Any]) -> None:
    options = {"retry": {"wait_for_connect": "300ms"}, **table}
    async with proxied(f"http://127.0.0.1:{closed_port()}", **options) as proxy:
        assert (await proxy.ask(get())).status == 502
        await left_alone(proxy)
        response = await proxy.ask(get())
        assert response.value("Proxy-Status") == b"sidecar-proxy; error=connection_refused"


@pytest.mark.parametrize("withdrawn", [True, False])
async def test_a_server_that_is_left_alone_for_something_else_keeps_nobody_from_waiting(
    withdrawn: bool,
) -> None:
    """As in a restart of several servers, one after the other."""
    port = closed_port()
    async with RawUpstream() as other:
        servers = [other.url, f"http://127.0.0.1:{port}"]
        breaker = {"consecutive_failures": 1, "base_ejection_time": "200ms"}
        options = {"upstream_options": {"servers": servers}, "circuit_breaker": breaker}
        async with proxied("", **WAIT, **options) as proxy:
            assert (await proxy.ask(get())).status == 200
            endpoint = proxy.tree.endpoints["api"].members[0]
            if withdrawn:
                endpoint.withdraw(withdrawn=True)
            else:
                endpoint.set_health(healthy=False)
            async with asked(proxy, get()) as [first]:
                await left_alone(proxy)
                async with asked(proxy, post(b"x")) as [second]:
                    await waits(proxy, 2)
                    async with RawUpstream(port=port):
                        assert ((await first).status, (await second).status) == (200, 200)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"timeouts": {"total": "200ms", "connect": "100ms", "first_byte": "0"}}, b""),
        ({"deadline": {}}, b"X-Request-Timeout-Ms: 200\r\n"),
    ],
    ids=["total", "deadline"],
)
async def test_total_and_the_deadline_of_the_client_end_the_wait(
    options: dict[str, Any], fields: bytes
) -> None:
    async with proxied(f"http://127.0.0.1:{closed_port()}", **WAIT, **options) as proxy:
        response = await proxy.ask(get("/", fields))
        assert response.status == 504
        assert response.value("Proxy-Status") == b"sidecar-proxy; error=http_response_timeout"
        assert not reconnection(proxy).waiting


async def test_no_more_wait_than_the_queue_has_places() -> None:
    port = closed_port()
    options = {**WAIT, "queue": {"size": 2, "order": "fifo"}, "concurrency": {}}
    async with (
        proxied(f"http://127.0.0.1:{port}", **options) as proxy,
        asked(proxy, *[get(), post(b"x")] * 5) as tasks,
    ):
        waiting = reconnection(proxy)
        async with asyncio.timeout(PATIENCE):
            while waiting.refused < 7:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.001)
        # While one of the two tries, another one may have its place.
        async with RawUpstream(port=port):
            statuses = sorted([(await task).status for task in tasks])
        assert statuses in ([200] * 2 + [503] * 8, [200] * 3 + [503] * 7)


async def test_who_leaves_gives_its_place_to_others() -> None:
    port = closed_port()
    async with proxied(f"http://127.0.0.1:{port}", **WAIT) as proxy:
        client = await proxy.connect()
        await client.send(get())
        await waits(proxy)
        client.close()
        assert (await proxy.record()).status == 499
        async with asked(proxy, get()) as [task]:
            await waits(proxy)
            async with RawUpstream(port=port) as upstream:
                assert (await task).status == 200
                assert len(upstream.requests) == 1


async def test_what_was_sent_is_not_waited_for() -> None:
    async with RawUpstream(["wait-body", "rst"]) as upstream:
        async with proxied(upstream, **WAIT) as proxy:
            assert (await proxy.ask(post(b"x"))).status == 502
        assert len(upstream.requests) == 1


async def test_by_default_nobody_waits() -> None:
    async with proxied(f"http://127.0.0.1:{closed_port()}") as proxy:
        assert (await proxy.ask(post(b"x"))).status == 502
        assert watched(proxy, Reconnection) == []
