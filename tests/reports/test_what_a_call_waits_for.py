"""What a call waits for, or has failed of, as somebody sees it who is paged at night.

A stall behind ``[coalesce]`` or ``[cache]`` was shown as a queue while it lasted, refusals and what
an operator had ended as a quota, a reply that our own clock had cut as none that came, and a tunnel
as a body of which nothing came.
"""

import asyncio
import json
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.telemetry.call import Call, Teller, is_trouble
from proxy.telemetry.phases import NAMES, phases
from tests.support.client import ask
from tests.support.message import get, length, post
from tests.support.peer import Peer
from tests.support.proxy import Proxy, dialled, fronted, proxied
from tests.support.tunnel import tunnel
from tests.support.upstream import RawUpstream

OK = length(b"ok")
ADMIN = {"listen": "127.0.0.1:0"}
PATIENCE = 10.0


def named(id_: str) -> bytes:
    return get(fields=f"X-Request-Id: {id_}\r\n".encode())


async def flying(proxy: Proxy, number: int, seen: Callable[[Any], object] = bool) -> Any:
    """The calls in flight by their ids, once there are so many and ``seen`` holds for each."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await ask(proxy.admin, get("/api/exchanges"))
            calls = json.loads(answer.body)["in_flight"]
            if len(calls) == number and all(map(seen, calls)):
                return {call["id"]: call for call in calls}


def told(exchange: Exchange) -> Call:
    """What the page says of one that has ended."""
    now = monotonic()
    return Teller((), lambda: now, lambda: 0.0).call(exchange, phases(exchange, now), now)


@pytest.mark.parametrize("table", ["coalesce", "cache"])
async def test_a_stall_is_the_servers_also_where_calls_are_shared(table: str) -> None:
    async with (
        dialled(["hold"], admin=ADMIN, **{table: {}}) as (upstream, proxy, leader),
        await proxy.connect() as follower,
    ):
        await leader.send(named("first"))
        await upstream.until(lambda: upstream.requests)
        await follower.send(named("second"))
        calls = await flying(
            proxy, 2, lambda call: call.get("server") and call["cause"] != "connect"
        )
        place = f"api ({upstream.url.removeprefix('http://')})"
        first, second = calls["first"], calls["second"]
        assert (first["phase"], first["cause"], first["attempts"]) == ("first_byte",) * 2 + (1,)
        assert f"waiting for the first byte of {place} so far" in first["why"]
        assert (second["phase"], second["cause"]) == ("queue", "queue")
        equal = "waiting for the answer to an equal request (first)"
        assert f"{equal}, which is waiting for the first byte of {place} so far" in second["why"]
        for call in (first, second):
            assert (call["upstream"], call["server"]) == ("api", upstream.url)


async def test_a_follower_has_waited_in_log_and_timing_as_on_the_page() -> None:
    async with (
        RawUpstream([0.1, OK]) as upstream,
        proxied(upstream, coalesce={}, server={"server_timing": True}) as proxy,
        await proxy.connect() as leader,
        await proxy.connect() as follower,
    ):
        await leader.send(get())
        await upstream.until(lambda: upstream.requests)
        answer = await follower.ask(get())
        await proxy.record(1)
        [exchange] = [each for each in proxy.records if each.record.coalesced]
        waited = exchange.record.queue_s
        assert 0 < waited <= phases(exchange, monotonic()).queue
        assert f"queue;dur={waited * 1000:.1f},".encode() in (answer.value("server-timing") or b"")
        assert "waiting for the answer to an equal request" in told(exchange).why


@pytest.mark.parametrize(
    ("request_", "tables", "status", "text"),
    [
        (
            post(b""),
            {"routes": [{"upstream": "api", "methods": ["GET"]}]},
            405,
            "no route takes POST",
        ),
        (
            get(fields=b"Cache-Control: only-if-cached\r\n"),
            {"cache": {}},
            504,
            "no stored reply may be used",
        ),
    ],
)
async def test_a_refusal_is_no_quota(
    request_: bytes, tables: dict[str, Any], status: int, text: str
) -> None:
    async with fronted(**tables) as (_, proxy):
        assert (await proxy.ask(request_)).status == status
        call = told(await proxy.record())
        assert (call.cause, call.why.startswith(text)) == ("request", True)


async def test_what_an_operator_has_ended_has_waited_for_its_server() -> None:
    async with dialled(["hold"], admin=ADMIN) as (upstream, proxy, client):
        await client.send(named("first"))
        await upstream.until(lambda: upstream.requests)
        await flying(proxy, 1, lambda call: call["cause"] == "first_byte")
        ended = await ask(proxy.admin, post(b"", "/api/exchanges/first/cancel"))
        assert ended.status == 200
        exchange = await proxy.record()
        assert not is_trouble(exchange)
        call = told(exchange)
        assert call.cause == "first_byte"
        assert call.why.endswith("; then an operator ended it")


@pytest.mark.parametrize(
    ("tables", "fields", "text"),
    [
        ({"timeouts": {"idle": "50ms"}}, b"", "within idle of 0.05 s"),
        ({"timeouts": {"total": "200ms"}}, b"", "not complete within total of 0.2 s"),
        (
            {"deadline": {}},
            b"X-Request-Timeout-Ms: 200\r\n",
            "not complete within the client's deadline of 0.2 s",
        ),
    ],
)
async def test_the_clock_that_has_cut_a_reply_is_named(
    tables: dict[str, Any], fields: bytes, text: str
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    upstream = RawUpstream([head + b"hello", "hold"])
    async with upstream, proxied(upstream, **tables) as proxy:
        await proxy.ask(get(fields=fields))
        exchange = await proxy.record()
        assert exchange.error == "http_response_timeout"
        assert text in told(exchange).why


async def test_the_bytes_of_an_open_tunnel_are_seen() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(2 * data)

    async with tunnel(echo, b"echo", admin=ADMIN) as (client, peer, proxy):
        assert isinstance(peer, Peer)
        await client.send(b"hello")
        assert await client.exactly(10) == b"hellohello"
        [call] = (await flying(proxy, 1, lambda call: call["cause"] == "body")).values()
        assert (call["bytes_in"], call["bytes_out"]) == (5, 10)
        place = f"api ({peer.url.removeprefix('http://')})"
        assert f"with an open tunnel to {place}: 5 B from the client, 10 B to it" in call["why"]


async def test_a_permit_and_a_connection_that_are_waited_for_are_named() -> None:
    one = {"name": "one", "servers": ["http://127.0.0.1:9"], "concurrency": {"max_requests": 1}}
    async with (
        RawUpstream(["hold"], ["hold"]) as upstream,
        proxied(
            upstream,
            admin=ADMIN,
            upstream_options={"limit": 1},
            others=[{**one, "servers": [upstream.url], "queue": {}}],
            routes=[{"path": "/", "upstream": "api"}, {"path": "/one", "upstream": "one"}],
        ) as proxy,
        await proxy.connect() as first,
        await proxy.connect() as second,
        await proxy.connect() as third,
        await proxy.connect() as fourth,
    ):
        await first.send(get("/"))
        await second.send(get("/one"))
        await upstream.until(lambda: len(upstream.requests) == 2)
        await third.send(get("/", b"X-Request-Id: third\r\n"))
        await fourth.send(get("/one", b"X-Request-Id: fourth\r\n"))
        calls = await flying(proxy, 4, lambda call: call.get("upstream"))
        assert "waiting for a free connection to api" in calls["third"]["why"]
        assert calls["third"]["phase"] == "queue"
        assert "waiting for a permit of one so far" in calls["fourth"]["why"]
        assert (calls["fourth"]["phase"], calls["fourth"]["upstream"]) == ("queue", "one")


async def test_the_wait_for_a_second_try_is_not_the_time_of_its_server() -> None:
    """Whose client leaves in the second try has waited for Retry-After, and not for the server."""
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
    retries = NAMES.index("retries")
    async with fronted([busy], ["hold"], admin=ADMIN) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(named("second"))
            await upstream.until(lambda: len(upstream.requests) == 2)
            calls = await flying(proxy, 1, lambda call: call["phase"] == "first_byte")
            assert calls["second"]["phases"][retries] > 0.9
        async with asyncio.timeout(PATIENCE):
            left: dict[str, Any] = {}
            while left.get("status") != 499:  # it is taken down with the others of its second
                left = json.loads((await ask(proxy.admin, get("/api/exchanges/second"))).body)
        assert left["phases"][retries] > 0.9


PART = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"


@pytest.mark.parametrize(
    ("script", "retry", "spent"),
    [
        ([0.2, PART, "hold"], {"attempts": 1}, "first_byte"),
        ([0.2, PART, "hold"], {}, "first_byte"),  # its head is held until its body is here
        ([PART, "hold"], {}, "body"),
        ([PART, "hold"], {"on": ["timeout"], "backoff_base": "1ms"}, "retries"),
    ],
)
async def test_a_body_that_stalls_is_no_first_byte(
    script: list[Any], retry: dict[str, Any], spent: str
) -> None:
    timeouts = {"idle": "100ms"}
    async with RawUpstream(*[script] * 3) as upstream:
        async with proxied(upstream, timeouts=timeouts, retry=retry) as proxy:
            await proxy.ask(get())
            exchange = await proxy.record()
        assert (exchange.error, exchange.record.clock) == ("http_response_timeout", "idle")
        assert phases(exchange, monotonic()).longest == spent
        assert told(exchange).cause == "body"


async def test_the_wait_for_a_try_that_is_refused_is_no_time_of_the_body() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy"
    breaker = {"consecutive_failures": 1, "base_ejection_time": "30s", "max_ejection_percent": 100}
    async with fronted([busy], circuit_breaker=breaker) as (upstream, proxy):
        assert (await proxy.ask(get())).body == b"busy"
        exchange = await proxy.record()
        assert len(upstream.requests) == 1
        found = phases(exchange, monotonic())
        assert found.retries > 0.9
        assert found.body < 0.9
