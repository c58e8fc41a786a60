"""``per_try`` while a connection is waited for that ``limit`` withholds."""

import asyncio

import pytest

from proxy.core.errors import AttemptTimeout
from proxy.core.exchange import Exchange
from proxy.core.record import CONNECTION
from proxy.core.reply import Reply
from proxy.middleware.per_try import PerTry
from proxy.policy.attempt_bound import AttemptBound
from tests.middleware.test_per_try import always, bounded
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply


@pytest.mark.parametrize("queued", [0.0, 60.0])  # before the attempt
async def test_a_connection_that_the_limit_withholds_is_no_time_of_the_server(
    jumping: JumpingLoop, queued: float
) -> None:
    clock = bounded(0, always, AttemptBound())

    async def served_after(seconds: float) -> Reply:
        async def inner(exchange: Exchange) -> Reply:
            with exchange.record.waiting(CONNECTION, loop_clock()):
                await asyncio.sleep(7)
            exchange.record.connect_s = 0.0
            return await Script((seconds, reply()))(exchange)

        exchange = get()
        exchange.record.queue_s = queued
        return await PerTry(inner, clock).handle(exchange)

    for _ in range(30):
        await served_after(2)
    assert clock.seconds == pytest.approx(8)
    began = jumping.time()
    with pytest.raises(AttemptTimeout):
        await served_after(90)
    assert 15 <= jumping.time() - began <= 15 + 8 / 16
