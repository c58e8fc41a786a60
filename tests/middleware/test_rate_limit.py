"""A client's share, and the share of an API."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import RateLimited, UpstreamQuotaExceeded
from proxy.core.exchange import Exchange
from proxy.core.options import Duration
from proxy.core.reply import Reply
from proxy.middleware.rate_limit import Heed, RateLimit, RateLimitOptions
from tests.support.endpoint import StateOnly
from tests.support.loop import JumpingLoop, Script, get, reply


def limited(script: Script, **options: Any) -> RateLimit:
    return RateLimit(script, RateLimitOptions(**{"average": 2.0, **options}))


def answers(count: int) -> Script:
    return Script(*(reply() for _ in range(count)))


async def test_who_has_had_his_share_is_told_when_there_is_more(jumping: JumpingLoop) -> None:
    inner = limited(answers(2), average=2.0, period=Duration(10))
    for _ in range(2):
        await inner.handle(get())
    with pytest.raises(RateLimited) as caught:
        await inner.handle(get())
    assert caught.value.retry_after == pytest.approx(5.0)
    assert caught.value.policy == '"default";q=2;w=10'
    assert caught.value.limit == '"default";r=0;t=5'
    assert inner.report() == {"refused": 1, "waited": 0, "keys": 1, "left": {"": 0.0}}


async def test_a_short_wait_is_waited(jumping: JumpingLoop) -> None:
    inner = limited(answers(3), max_wait=Duration(1))
    exchanges = [get() for _ in range(3)]
    await asyncio.gather(*(inner.handle(exchange) for exchange in exchanges))
    assert [exchange.queued for exchange in exchanges] == [0.0, 0.0, 0.5]
    assert jumping.time() == exchanges[0].started + 0.5


async def test_nobody_waits_beyond_his_deadline(jumping: JumpingLoop) -> None:
    inner = limited(answers(2), max_wait=Duration(1))
    for _ in range(2):
        await inner.handle(get())
    exchange = get()
    exchange.deadline = exchange.started + 0.4
    with pytest.raises(RateLimited):
        await inner.handle(exchange)


async def test_who_leaves_the_line_makes_room_in_it(jumping: JumpingLoop) -> None:
    inner = limited(answers(3), max_wait=Duration(0.6))
    for _ in range(2):
        await inner.handle(get())
    leaving = asyncio.create_task(inner.handle(get()))
    await asyncio.sleep(0.1)
    with pytest.raises(RateLimited):
        await inner.handle(get())
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert (await inner.handle(get())).status == 200


async def test_clients_are_told_apart(jumping: JumpingLoop) -> None:
    inner = limited(answers(4), key="header:X-User", average=1.0)

    async def asked(*fields: tuple[bytes, bytes]) -> Reply:
        return await inner.handle(get(headers=fields))

    await asked((b"x-user", b"a"))
    await asked((b"X-User", b"b"))
    await asked()
    with pytest.raises(RateLimited):
        await asked()
    with pytest.raises(RateLimited):
        await asked((b"X-User", b"a"))


@pytest.fixture
def clock(jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch) -> JumpingLoop:
    """Its time is that of everybody."""
    monkeypatch.setattr("proxy.middleware.rate_limit.time.monotonic", jumping.time)
    return jumping


async def test_what_would_be_refused_is_not_sent(clock: JumpingLoop) -> None:
    server = StateOnly()
    inner = Heed(Script(reply(headers=[(b"RateLimit", b'"a";r=0;t=9')]), reply()), server, 0.0)
    await inner.handle(get())
    assert server.paused_until == clock.time() + 9
    with pytest.raises(
        UpstreamQuotaExceeded, match="http://a takes no more requests for 9 s"
    ) as caught:
        await inner.handle(get())
    assert caught.value.retry_after == 9.0
    await asyncio.sleep(9)
    assert (await inner.handle(get())).status == 200


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_that_names_a_time_is_heeded(clock: JumpingLoop, status: int) -> None:
    inner = Heed(Script(reply(status, [(b"Retry-After", b"3")]), reply()), StateOnly(), 5.0)
    await inner.handle(get())
    exchange = get()
    assert (await inner.handle(exchange)).status == 200
    assert exchange.queued == 3.0


async def test_a_success_that_names_a_time_says_nothing(clock: JumpingLoop) -> None:
    inner = Heed(Script(reply(200, [(b"Retry-After", b"3")]), reply()), StateOnly(), 0.0)
    await inner.handle(get())
    assert (await inner.handle(get())).status == 200


async def test_the_last_ones_are_paced(clock: JumpingLoop) -> None:
    def left(count: int) -> Reply:
        return reply(headers=[(b"RateLimit", b'"a";r=%d;t=10' % count)])

    server = StateOnly()
    inner = Heed(Script(left(100), left(10), reply(), reply(), reply()), server, 30.0)
    for _ in range(2):
        await inner.handle(get())
    exchanges: list[Exchange] = [get() for _ in range(3)]
    await asyncio.gather(*(inner.handle(exchange) for exchange in exchanges))
    assert [exchange.queued for exchange in exchanges] == [0.0, 1.0, 2.0]


async def test_pacing_refuses_nobody(clock: JumpingLoop) -> None:
    """What the server would still take is sent, at once where nobody has the patience."""

    def left(count: int) -> Reply:
        return reply(headers=[(b"RateLimit", b'"a";r=%d;t=30' % count)])

    inner = Heed(Script(left(100), *(left(n) for n in range(45, 40, -1))), StateOnly(), 0.0)
    exchanges = [get() for _ in range(6)]
    for exchange in exchanges:
        assert (await inner.handle(exchange)).status == 200
    assert {exchange.queued for exchange in exchanges} == {0.0}


async def test_what_is_refused_to_one_is_not_refused_to_others(clock: JumpingLoop) -> None:
    def of(name: bytes) -> Exchange:
        return get(headers=[(b"Authorization", name)])

    script = Script(reply(429, [(b"Retry-After", b"50")]), reply(503, [(b"Retry-After", b"9")]))
    inner = Heed(script, StateOnly(), 0.0)
    await inner.handle(of(b"a"))
    with pytest.raises(UpstreamQuotaExceeded):
        await inner.handle(of(b"a"))
    assert (await inner.handle(of(b"b"))).status == 503  # that is said to all
    with pytest.raises(UpstreamQuotaExceeded):
        await inner.handle(of(b"c"))


async def test_credentials_that_are_ours_are_everybodys(clock: JumpingLoop) -> None:
    inner = Heed(
        Script(reply(429, [(b"Retry-After", b"50")])), StateOnly(), 0.0, ours=b"Authorization"
    )
    await inner.handle(get(headers=[(b"authorization", b"a")]))
    with pytest.raises(UpstreamQuotaExceeded):
        await inner.handle(get(headers=[(b"Authorization", b"b")]))


async def test_a_refusal_that_comes_while_one_waits_counts(clock: JumpingLoop) -> None:
    server = StateOnly()
    inner = Heed(Script(reply()), server, 5.0)
    assert server.quotas is not None
    own = server.quotas.of(b"")
    own.pause(clock.time() + 3)
    waiting = asyncio.create_task(inner.handle(get()))
    await asyncio.sleep(1)
    own.pause(clock.time() + 50)
    with pytest.raises(UpstreamQuotaExceeded):
        await waiting


async def test_routes_learn_from_one_another(clock: JumpingLoop) -> None:
    server = StateOnly()
    one = Heed(Script(reply(headers=[(b"RateLimit", b'"a";r=0;t=9')])), server, 0.0)
    other = Heed(Script(), server, 0.0)
    await one.handle(get())
    with pytest.raises(UpstreamQuotaExceeded):
        await other.handle(get())
