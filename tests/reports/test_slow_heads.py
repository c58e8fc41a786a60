"""A head that comes slowly takes time: it is the client's, and it counts from the first byte.

All time before the end of the head was left out: what stalled for two seconds had taken a
millisecond, in a queue.
"""

import asyncio
from time import monotonic

import pytest

from proxy.core.exchange import Exchange
from proxy.edge.http1 import half_close, transport
from proxy.telemetry.call import Call, Teller
from proxy.telemetry.phases import Phases, phases
from tests.support.client import RawClient
from tests.support.message import OK
from tests.support.proxy import Proxy, dialled
from tests.support.timing import taking_at_least

PAUSE = 0.2
LEAST = 0.9 * PAUSE
PART = b"GET / HTTP/1.1\r\nHost: a\r\n"


async def slowly(proxy: Proxy, client: RawClient, first: bytes = PART) -> None:
    """Send the first part of a head, and be late with the rest."""
    await client.send(first)
    await proxy.breathe()
    with taking_at_least(PAUSE):
        await asyncio.sleep(PAUSE)


async def spent(proxy: Proxy) -> tuple[Exchange, Phases, float]:
    """The first exchange, what its time went on, and how much that was at least."""
    exchange = await proxy.record()
    now = monotonic()
    return exchange, phases(exchange, now), now - exchange.started_at


def told(exchange: Exchange) -> Call:
    now = monotonic()
    return Teller((), lambda: now, lambda: 0.0).call(exchange, phases(exchange, now), now)


@pytest.mark.parametrize("rest", [b"\r\n", b"Expect: nothing\r\nContent-Length: 0\r\n\r\n"])
async def test_a_head_in_two_parts_counts_from_the_first_one(rest: bytes) -> None:
    async with dialled([OK], server={"server_timing": True}) as (_, proxy, client):
        await slowly(proxy, client)
        answer = await client.ask(rest)
        assert answer.status == 200
        exchange, spent_on, seconds = await spent(proxy)
        assert LEAST < spent_on.client == exchange.record.head_s
        assert sum(spent_on) == pytest.approx(seconds)
        assert spent_on.queue == 0.0
        assert exchange.asked_at == pytest.approx(exchange.started_at + exchange.record.head_s)
        # A browser that sends slowly learns nothing of itself there.
        timing = answer.value("Server-Timing")
        assert timing is not None
        upstream_ms = float(timing.partition(b"upstream;dur=")[2].partition(b",")[0])
        head_at = exchange.record.first_byte_at
        assert head_at is not None
        assert upstream_ms == pytest.approx((head_at - exchange.asked_at) * 1000, abs=0.1)


async def test_a_head_that_stalls_took_as_long_as_its_client_was_waited_for() -> None:
    options = {"server": {"request_headers_timeout": "200ms"}}
    async with dialled(**options) as (_, proxy, client):
        with taking_at_least(PAUSE):
            assert (await client.ask(PART)).status == 408
        exchange, spent_on, seconds = await spent(proxy)
        assert LEAST < spent_on.client <= seconds
        call = told(exchange)
        assert (call.cause, spent_on.longest) == ("client", "client")
        assert call.why.startswith("the head came too slowly (408); ")
        assert "waiting for the client 127.0.0.1, to send its request" in call.why


@pytest.mark.parametrize(
    ("rest", "status"),
    [(b"Host: b\r\n\r\n", 400), (b"A B: c\r\n\r\n", 400), (b"X: " + b"x" * 20_000, 431)],
)
async def test_a_head_that_is_refused_counts_from_its_first_part(rest: bytes, status: int) -> None:
    async with dialled() as (_, proxy, client):
        await slowly(proxy, client)
        assert (await client.ask(rest)).status == status
        _, spent_on, seconds = await spent(proxy)
        assert LEAST < spent_on.client <= seconds


async def test_a_head_behind_a_reply_counts_from_that_reply_on() -> None:
    """Nobody waits for it before: its client may have sent it whenever it liked."""
    go = asyncio.Event()
    async with dialled([go, OK], [OK]) as (upstream, proxy, client):
        await client.send(PART + b"\r\n" + PART)
        await upstream.until(lambda: upstream.requests)
        await proxy.breathe()
        answered_at = monotonic()
        go.set()
        assert (await client.receive()).status == 200
        assert (await client.ask(b"\r\n")).status == 200
        second = await proxy.record(1)
        assert second.started_at >= answered_at
        assert second.record.head_s > 0.0


async def test_a_head_that_came_whole_has_taken_no_time() -> None:
    async with dialled([OK], [OK]) as (_, proxy, client):
        for number in range(2):
            assert (await client.ask(PART + b"\r\n")).status == 200
            assert (await proxy.record(number)).record.head_s == 0.0


@pytest.mark.parametrize("field", [b"", b"X-Request-Timeout-Ms: 30000\r\n"])
async def test_what_a_client_takes_for_its_head_takes_nothing_from_its_limits(
    field: bytes,
) -> None:
    tables = {"timeouts": {"total": "30s"}, "deadline": {}}
    async with dialled([OK], **tables) as (_, proxy, client):
        await slowly(proxy, client, PART + field)
        assert (await client.ask(b"\r\n")).status == 200
        exchange = await proxy.record()
        assert exchange.deadline is not None
        assert exchange.deadline - exchange.started_at >= 30.0 + LEAST / 2


async def test_a_fin_right_behind_a_slow_head_belongs_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of clients on other hosts nobody can tell whether they wait; this FIN came at once."""
    monkeypatch.setattr(half_close, "peer_left", lambda _: None)
    monkeypatch.setattr(transport, "AT_ONCE", PAUSE)
    async with dialled(["wait-body", OK], server={"half_close": "auto"}) as (_, proxy, client):
        await slowly(proxy, client)
        await slowly(proxy, client, b"X-More: 1\r\n")
        await client.send(b"\r\n")
        client.half_close()
        assert (await client.receive()).status == 200
