"""Waiting for a connection that ``limit`` withholds is no work, and no failure, of any server.

As with ``max_conns`` of nginx (``upstream_max_conns.t`` of its tests), backups are asked before
anybody has to wait. What waits is given the first connection that becomes free, wherever that is.
"""

import asyncio
from typing import Any

import pytest

from tests.support.message import OK, get
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import Connection, RawUpstream, Request

HELD = {"path": "/held", "upstream": "api", "retry": False, "timeouts": {"per_try": "0"}}
"""A route whose attempts have no bound."""


class Held(RawUpstream):
    """A server that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(*[[self._answer]] * 9)
        self.go = asyncio.Semaphore(0)

    async def _answer(self, connection: Connection, _: Request) -> None:
        await self.go.acquire()
        await connection.send(OK)


def limited(*servers: Any, connect: str = "30s", **options: Any) -> dict[str, Any]:
    """One connection to each of these at a time."""
    return {
        "upstream_options": {"servers": list(servers), "limit": 1},
        "timeouts": {"connect": connect, **options.pop("timeouts", {})},
        **options,
    }


def waiting(proxy: Proxy) -> int:
    """How many requests wait for a connection."""
    pools = [each.pool for each in proxy.tree.endpoints["api"].members]
    return max(len(pool.permits._waiting) for pool in pools if pool.permits)


async def test_who_waits_is_given_the_first_connection_that_becomes_free() -> None:
    async with (
        Held() as a,
        Held() as b,
        proxied(a, **limited(a.url, b.url)) as proxy,
        asyncio.TaskGroup() as asking,
    ):
        asked = [asking.create_task(proxy.ask(get())) for _ in range(4)]
        await a.until(lambda: waiting(proxy) == 2 and a.requests and b.requests)
        for _ in range(3):
            b.go.release()
        await b.until(lambda: len(b.requests) == 3)
        a.go.release()
    assert [each.result().status for each in asked] == [200] * 4
    assert (len(a.requests), len(b.requests)) == (1, 3)


@pytest.mark.parametrize("per_try", ["300ms", "auto"])
@pytest.mark.parametrize("ejects", [True, False], ids=["chosen", "nothing to choose"])
async def test_a_wait_for_a_connection_is_no_failure(per_try: str, ejects: bool) -> None:
    """It was one to connect, within ``per_try``, and had the server ejected."""
    breaker: Any = {"consecutive_failures": 1, "base_ejection_time": "60s"} if ejects else False
    async with Held() as a:
        options = limited(
            a.url,
            connect="900ms",
            routes=[HELD, {"upstream": "api"}],
            circuit_breaker=breaker,
            timeouts={"per_try": per_try},
            retry={},
        )
        async with proxied(a, **options) as proxy, asyncio.TaskGroup() as asking:
            held = asking.create_task(proxy.ask(get("/held")))
            await a.until(lambda: a.requests)
            refused = await proxy.ask(get())
            assert (refused.status, refused.value("Retry-After")) == (503, b"1")
            assert refused.value("Proxy-Status") == (
                b"sidecar-proxy; error=connection_limit_reached"
            )
            record = (await proxy.record()).record
            assert (record.attempt_count, record.attempt_log) == (0, ())
            assert record.refused == "server_at_limit"
            for _ in range(2):
                a.go.release()
            assert (await held).status == 200
            assert (await proxy.ask(get())).status == 200


async def test_a_backup_is_asked_before_anybody_waits() -> None:
    async with Held() as a, RawUpstream() as backup:
        options = limited(a.url, {"url": backup.url, "backup": True})
        async with proxied(a, **options) as proxy, asyncio.TaskGroup() as asking:
            asking.create_task(proxy.ask(get()))
            await a.until(lambda: a.requests)
            assert (await proxy.ask(get())).status == 200
            assert len(backup.requests) == 1
            a.go.release()


async def test_what_one_server_said_is_the_answer_while_the_other_is_full() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy"
    async with Held() as a, RawUpstream(*[[busy]] * 9) as b:
        options = limited(
            a.url,
            b.url,
            load_balance={"policy": "round_robin", "ejection_time": "0"},
            retry={"attempts": 3, "backoff_base": "1ms"},
        )
        async with proxied(a, **options) as proxy, asyncio.TaskGroup() as asking:
            asking.create_task(proxy.ask(get()))
            await a.until(lambda: a.requests)
            refused = await proxy.ask(get())
            assert (refused.status, refused.body) == (503, b"busy")
            assert len(b.requests) == 3
            a.go.release()


@pytest.mark.parametrize("how", ["let back", "ejected"])
async def test_a_server_that_is_back_is_asked_by_who_waits(how: str) -> None:
    """The request waited on, and had a 503 in the end, while that server was idle."""
    bad = b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"
    async with Held() as a, RawUpstream(*[[bad]] * (how == "ejected"), *[[OK]] * 9) as b:
        breaker = {"consecutive_failures": 1, "base_ejection_time": "500ms"}
        options = limited(a.url, b.url, retry=False, circuit_breaker=breaker)
        async with proxied(a, **options) as proxy, asyncio.TaskGroup() as asking:
            one, other = proxy.tree.endpoints["api"].members
            other.withdraw(withdrawn=True)
            asking.create_task(proxy.ask(get()))
            await a.until(lambda: a.requests)
            if how == "ejected":
                other.withdraw(withdrawn=False)
                assert (await proxy.ask(get())).status == 502
            waits = asking.create_task(proxy.ask(get()))
            await a.until(lambda: waiting(proxy) or waits.done())  # it may be back by then
            if how == "let back":
                other.withdraw(withdrawn=False)
            assert (await waits).status == 200
            assert not one.pool.permits or one.pool.permits.full
            a.go.release()
