"""Who is asked, or waited for, where servers are at their limit of connections."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import NoEndpointAvailable, ServerAtLimit
from proxy.core.exchange import Exchange
from proxy.core.record import CONNECTION, Attempt
from proxy.core.ties import Ties
from proxy.policy.breaker import Breaker
from tests.support.loop import JumpingLoop, get, reply, settle
from tests.support.servers import Node, balance, free, limited


def after(*attempts: tuple[Node, str]) -> Exchange:
    exchange = get()
    exchange.record.attempt_log = tuple(
        Attempt(node.name, outcome, 0.0) for node, outcome in attempts
    )
    return exchange


async def test_who_waits_takes_whichever_is_free_first(jumping: JumpingLoop) -> None:
    a, b = limited("a"), limited("b")
    handle = balance(a, b, policy="least_request")
    exchanges = [get() for _ in range(4)]
    waiting = [asyncio.ensure_future(handle(exchange)) for exchange in exchanges]
    await asyncio.sleep(2)
    assert [exchange.record.wait and exchange.record.wait.what for exchange in exchanges] == [
        CONNECTION
    ] * 4
    assert (a.in_flight, b.in_flight) == (0, 0)
    free(b)
    assert [(await each).status for each in waiting] == [200] * 4
    assert (a.asked, b.asked) == (0, 4)
    assert [exchange.record.queue_s for exchange in exchanges] == [2] * 4


async def test_who_has_waited_for_longest_is_first(jumping: JumpingLoop) -> None:
    a, b = limited("a", *[(1, reply())] * 2), limited("b", *[(1, reply())] * 2)
    handle, order = balance(a, b), list[int]()

    async def ask(number: int) -> None:
        await handle(get())
        order.append(number)

    asking = []
    for number in range(4):
        asking.append(asyncio.ensure_future(ask(number)))
        await asyncio.sleep(0.1)
    free(a)
    await asyncio.gather(*asking)
    assert order == [0, 1, 2, 3]
    assert (a.asked, b.asked) == (4, 0)


async def test_nobody_waits_for_longer_than_connect(jumping: JumpingLoop) -> None:
    began = jumping.time()
    a, b = limited("a", breaker=Breaker(consecutive_failures=1)), limited("b")
    came = await settle(balance(a, b)(get()))
    assert isinstance(came, ServerAtLimit)
    assert came.detail == "no connection to a server of api became free within connect of 5 s"
    assert jumping.time() - began == 5
    came = await settle(balance(a)(get()))
    assert isinstance(came, ServerAtLimit)
    assert came.detail == "no connection to a became free within connect of 5 s"
    assert a.breaker is not None
    assert (a.breaker.failures, a.breaker.open, a.in_flight) == (0, False, 0)


@pytest.mark.parametrize("first", ["a", "b"])
async def test_where_backups_are_full_too_all_are_waited_for(
    jumping: JumpingLoop, first: str
) -> None:
    servers = {"a": limited("a"), "b": limited("b", backup=True)}
    waiting = asyncio.ensure_future(balance(*servers.values())(get()))
    await asyncio.sleep(1)
    free(servers[first])
    assert (await waiting).status == 200
    assert servers[first].asked == 1


@pytest.mark.parametrize(
    ("outcome", "asked"),
    [
        ("503", "tried"),
        ("reset", "tried"),
        ("connect-failure", "other"),  # there it fails once more
        ("hedged", "other"),  # it has the same request already
    ],
)
async def test_one_that_was_tried_and_has_room_is_asked_rather_than_waited_for(
    jumping: JumpingLoop, outcome: str, asked: str
) -> None:
    tried, other = limited("tried", full=False), limited("other")
    sending = asyncio.ensure_future(balance(tried, other)(after((tried, outcome))))
    await asyncio.sleep(1)
    free(other)
    assert (await sending).status == 200
    assert [node.name for node in (tried, other) if node.asked] == [asked]


async def test_a_backup_that_was_not_tried_is_asked_before_one_that_was(
    jumping: JumpingLoop,
) -> None:
    tried, other = limited("tried", full=False), limited("other")
    backup = limited("backup", full=False, backup=True)
    await balance(tried, other, backup)(after((tried, "503")))
    assert (tried.asked, backup.asked) == (0, 1)


async def test_a_trial_at_a_server_that_is_full_keeps_nobody_from_the_others(
    jumping: JumpingLoop,
) -> None:
    breaker = Breaker()
    breaker.open_for(1, jumping.time())
    a, b = limited("a", breaker=breaker), limited("b", full=False)
    await asyncio.sleep(2)
    assert (await balance(a, b)(get())).status == 200
    assert (a.asked, b.asked) == (0, 1)


async def test_one_that_may_not_be_asked_any_more_is_left_to_others(jumping: JumpingLoop) -> None:
    a, b = limited("a"), limited("b")
    handle = balance(a, b)
    waiting = asyncio.ensure_future(handle(get()))
    await asyncio.sleep(1)
    a.healthy = False
    free(a)
    await asyncio.sleep(1)
    assert a.permits is not None
    assert not a.permits.full
    b.healthy = False
    free(b)
    assert isinstance(await settle(waiting), NoEndpointAvailable)
    assert b.permits is not None
    assert not b.permits.full


async def test_one_that_leaves_while_it_waits_takes_nothing(jumping: JumpingLoop) -> None:
    a = limited("a")
    handle = balance(a)
    waiting = asyncio.ensure_future(handle(get()))
    await asyncio.sleep(1)
    free(a)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await handle(get())).status == 200


async def test_whoever_is_logged_in_at_a_full_server_waits_for_that(jumping: JumpingLoop) -> None:
    a, b = limited("a"), limited("b", full=False)
    exchange = get()
    exchange.ties = Ties()
    held: Any = "a", None
    exchange.ties.held["a"] = held
    waiting = asyncio.ensure_future(balance(a, b)(exchange))
    await asyncio.sleep(1)
    free(a)
    await waiting
    assert (a.asked, b.asked) == (1, 0)
