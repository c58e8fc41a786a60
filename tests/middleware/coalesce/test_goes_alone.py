"""A request that goes on alone after it has waited for another's call."""

import asyncio

from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from tests.support.loop import JumpingLoop, get, loop_clock, reply


async def test_it_logs_nothing_of_the_call_that_it_waited_for(
    jumping: JumpingLoop,
) -> None:
    """A fixed reply had left its token on the call; the request that went on was answered 200."""
    sends = 0

    async def inner(exchange: Exchange) -> Reply:
        nonlocal sends
        sends += 1
        exchange.record.upstream, exchange.record.endpoint = "api", f"server {sends}"
        await asyncio.sleep(1)
        if sends == 1:
            exchange.error = "destination_unavailable"
            return reply(503, [(b"Set-Cookie", b"a=1")], body=b"sorry")
        return reply(body=b"fine")

    handler = Coalesce(inner, CoalesceOptions(), MemoryBudget(), set(), clock=loop_clock()).handle
    leader, follower = get(), get()
    first, second = await asyncio.gather(handler(leader), handler(follower))
    assert (first.status, leader.error) == (503, "destination_unavailable")
    assert (second.status, follower.error) == (200, "")
    assert not follower.record.coalesced
    for answer in (first, second):
        answer.close(Ending.COMPLETE)
