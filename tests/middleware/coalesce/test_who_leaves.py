"""What is known of a call to those who leave before its head has come."""

import asyncio

import pytest

from proxy.core.exchange import Exchange
from proxy.core.record import Attempt
from proxy.core.reply import Reply
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply


@pytest.mark.parametrize("order", [1, -1])
async def test_who_leaves_before_the_head_knows_how_far_the_call_has_come(
    jumping: JumpingLoop, order: int
) -> None:
    tries = (Attempt("http://b", "503", 0.5),)

    async def asking(exchange: Exchange) -> Reply:
        record = exchange.record
        record.upstream, record.endpoint = "api", "http://a"
        record.attempt_count, record.attempt_log, record.connect_s = 2, tries, 0.25
        await asyncio.sleep(9)
        return reply(body=b"x")

    script, memory = Script(asking), MemoryBudget()
    inner = Coalesce(script, CoalesceOptions(), memory, set(), clock=loop_clock())
    leader, follower = get(), get()
    waiting = [asyncio.create_task(inner.handle(each)) for each in (leader, follower)]
    await asyncio.sleep(1)
    for task in waiting[::order]:
        task.cancel()
    await asyncio.wait(waiting)
    assert [each.record.attempt_count for each in (leader, follower)] == [2, 0]
    assert [each.record.attempt_log for each in (leader, follower)] == [tries, ()]
    assert [each.record.connect_s for each in (leader, follower)] == [0.25, None]
    assert [each.record.coalesced for each in (leader, follower)] == [False, True]
    for exchange in (leader, follower):
        assert (exchange.record.upstream, exchange.record.endpoint) == ("api", "http://a")
