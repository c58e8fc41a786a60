"""How many requests a client may make."""

import asyncio
from typing import Any

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import RateLimited
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.record import TOKEN, Wait
from proxy.core.reply import Reply
from proxy.middleware.rate_limit import RateLimit
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply
from tests.support.samples import told


def limited(script: Script, **options: Any) -> RateLimit:
    return RateLimit(script, RateLimitOptions(**{"average": 2.0, **options}), clock=loop_clock())


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
    assert told(inner) == {
        "rate_limit_refused": 1,
        "rate_limit_waited": 0,
        "rate_limit_keys": 1,
        "rate_limit_left ": 0.0,
    }


async def test_a_short_wait_is_waited(jumping: JumpingLoop) -> None:
    inner = limited(answers(3), max_wait=Duration(1))
    exchanges = [get() for _ in range(3)]
    await asyncio.gather(*(inner.handle(exchange) for exchange in exchanges))
    assert [exchange.record.queue_s for exchange in exchanges] == [0.0, 0.0, 0.5]
    assert [exchange.record.longest_wait for exchange in exchanges] == [
        None,
        None,
        Wait(TOKEN, exchanges[0].started_at, seconds=0.5),
    ]
    assert told(inner)["rate_limit_waited"] == 1
    assert jumping.time() == exchanges[0].started_at + 0.5


async def test_nobody_waits_beyond_his_deadline(jumping: JumpingLoop) -> None:
    inner = limited(answers(2), max_wait=Duration(1))
    for _ in range(2):
        await inner.handle(get())
    exchange = get()
    exchange.deadline = exchange.started_at + 0.4
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


async def test_a_long_wait_is_told_in_whole_seconds(jumping: JumpingLoop) -> None:
    inner = limited(answers(1), average=1.0, burst=1, period=Duration(7200))
    await inner.handle(get())
    with pytest.raises(RateLimited, match="may ask again in 7200 s"):
        await inner.handle(get())
