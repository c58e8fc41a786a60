"""What is known of requests that share a call while that is under way."""

import asyncio

from proxy.core.exchange import Exchange
from proxy.core.record import ANSWER, Wait
from proxy.core.reply import Reply
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply
from tests.support.pieces import body
from tests.support.samples import told


async def asked(inner: Coalesce, exchange: Exchange) -> bytes:
    return await body(await inner.handle(exchange))


async def test_what_the_call_has_found_out_is_seen_while_it_is_under_way(
    jumping: JumpingLoop,
) -> None:
    sent: list[Exchange] = []

    async def upstream(exchange: Exchange) -> Reply:
        sent.append(exchange)
        exchange.record.attempt_count, exchange.record.endpoint = 1, "http://a"
        return await Script((5, reply(body=b"all")))(exchange)

    inner = Coalesce(upstream, CoalesceOptions(), MemoryBudget(), set(), clock=loop_clock())
    leader, follower = get(), get()
    leader.request_id = "first"
    tasks = [asyncio.create_task(asked(inner, each)) for each in (leader, follower)]
    await asyncio.sleep(2)
    seen = [each.record.with_call() for each in (leader, follower)]
    assert [(each.endpoint, each.attempt_count) for each in seen] == [
        ("http://a", 1),
        ("http://a", 0),
    ]
    assert [each.wait for each in seen] == [None, Wait(ANSWER, follower.started_at)]
    await asyncio.gather(*tasks)
    assert [each.record.call for each in (leader, follower)] == [None, None]
    assert [each.record.queue_s for each in (leader, follower)] == [0.0, 5.0]
    assert [each.record.leader for each in (leader, follower)] == ["", "first"]


async def test_a_follower_has_waited_up_to_the_head_of_the_answer(jumping: JumpingLoop) -> None:
    async def upstream(exchange: Exchange) -> Reply:
        await asyncio.sleep(3)
        exchange.record.first_byte_at = jumping.time()
        return await Script((2, reply(body=b"all")))(exchange)  # its body is waited for

    inner = Coalesce(upstream, CoalesceOptions(), MemoryBudget(), set(), clock=loop_clock())
    exchanges = [get(), get()]
    await asyncio.gather(*(asked(inner, each) for each in exchanges))
    assert [each.record.queue_s for each in exchanges] == [0.0, 3.0]


async def test_all_calls_that_are_under_way_count(jumping: JumpingLoop) -> None:
    """However many there are of equal requests."""
    script = Script((900, reply()), (900, reply()), reply(body=b"quick"))
    inner = Coalesce(script, CoalesceOptions(), MemoryBudget(), set(), clock=loop_clock())
    tasks = []
    for seconds in (6, 1):
        tasks.append(asyncio.create_task(asked(inner, get())))
        await asyncio.sleep(seconds)
    assert told(inner)["coalesce_in_flight"] == 2
    tasks.pop(0).cancel()
    await asyncio.sleep(0.1)
    assert told(inner)["coalesce_in_flight"] == 1, "the earlier one has no client any more"
    assert await asked(inner, get("/other")) == b"quick"
    await asyncio.gather(*tasks)
    await asyncio.sleep(0)
    assert told(inner)["coalesce_in_flight"] == 0
