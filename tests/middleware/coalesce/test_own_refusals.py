"""What concerns the client alone whose request a shared call is."""

import asyncio

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import (
    ConnectFailed,
    ConnectionTerminated,
    DeadlineTooShort,
    NoEndpointAvailable,
    ProxyError,
    QueueFull,
    QueueTimeout,
    ServerAtLimit,
    UpstreamQuotaExceeded,
)
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply, settle
from tests.support.samples import told


def waited_in_vain() -> ConnectFailed:
    error = ConnectFailed("refused")
    error.patience_over = True
    return error


QUOTA: ProxyError = UpstreamQuotaExceeded("none left")
PLACE_OR_TIME: list[ProxyError] = [
    QueueFull("others"),
    QueueTimeout("2 s"),
    DeadlineTooShort("late"),
    waited_in_vain(),
]
ALL_OF_THEM: list[ProxyError] = [
    ConnectFailed("refused"),
    ConnectionTerminated("reset"),
    NoEndpointAvailable("all ejected"),
    ServerAtLimit("all in use"),
]


def name(error: ProxyError) -> str:
    return type(error).__name__


def shared(script: Script, wait_timeout: float = 0.0) -> Coalesce:
    options = CoalesceOptions(wait_timeout=Duration(wait_timeout))
    return Coalesce(script, options, MemoryBudget(), set(), clock=loop_clock())


async def answers(inner: Coalesce, exchanges: list[Exchange]) -> list[Reply | ProxyError]:
    return await asyncio.gather(*(settle(inner.handle(each)) for each in exchanges))


@pytest.mark.parametrize("error", [QUOTA, *PLACE_OR_TIME], ids=name)
async def test_the_others_share_another_call(jumping: JumpingLoop, error: ProxyError) -> None:
    script = Script((2, error), (2, reply(body=b"x")))
    inner = shared(script)
    exchanges = [get() for _ in range(9)]
    first, *others = await answers(inner, exchanges)
    assert type(first) is type(error)
    assert [each.buffered for each in others if isinstance(each, Reply)] == [b"x"] * 8
    assert script.sends == 2
    assert [each.record.coalesced for each in exchanges] == [False, False, *[True] * 7]
    assert told(inner)["coalesce_in_flight"] == 0


@pytest.mark.parametrize("error", ALL_OF_THEM, ids=name)
async def test_what_concerns_all_of_them_is_shared(jumping: JumpingLoop, error: ProxyError) -> None:
    script = Script((2, error))
    came = await answers(shared(script), [get() for _ in range(9)])
    assert {type(each) for each in came} == {type(error)}
    assert script.sends == 1


async def test_after_two_whose_quota_was_used_up_each_goes_by_itself(jumping: JumpingLoop) -> None:
    script = Script((2, QUOTA), (2, QUOTA), *[(2, reply(body=b"x"))] * 3)
    inner = shared(script)
    came = await answers(inner, [get() for _ in range(5)])
    assert [type(each) for each in came[:2]] == [type(QUOTA)] * 2
    assert all(isinstance(each, Reply) for each in came[2:])
    assert dict(inner.bypassed) == {"refused": 3}


@pytest.mark.parametrize("error", PLACE_OR_TIME, ids=name)
async def test_after_two_that_had_no_place_or_no_time_the_others_have_none(
    jumping: JumpingLoop, error: ProxyError
) -> None:
    """Each by itself would take a place in the queue from requests that are different."""
    script = Script((2, error), (2, error))
    came = await answers(shared(script), [get() for _ in range(5)])
    assert {type(each) for each in came} == {type(error)}
    assert script.sends == 2


async def test_who_joins_the_second_call_may_share_a_third(jumping: JumpingLoop) -> None:
    script = Script((2, QueueTimeout("2 s")), (2, QueueTimeout("2 s")), (2, reply(body=b"x")))
    inner = shared(script)
    early = asyncio.create_task(answers(inner, [get(), get()]))
    await asyncio.sleep(3)
    late = await settle(inner.handle(get()))
    assert isinstance(late, Reply)
    assert {type(each) for each in await early} == {QueueTimeout}


async def test_the_one_with_most_time_left_makes_the_next_call(jumping: JumpingLoop) -> None:
    script = Script((2, DeadlineTooShort("late")), (2, reply(body=b"x")))
    exchanges = [get() for _ in range(5)]
    for exchange, seconds in zip(exchanges, (3, 5, 9, 7, 5), strict=True):
        exchange.deadline = exchange.started_at + seconds
    await answers(shared(script), exchanges)
    assert [each.record.coalesced for each in exchanges] == [False, True, False, True, True]
    assert script.exchanges[1].deadline == exchanges[2].deadline


async def test_wait_timeout_counts_from_the_first_call_on(jumping: JumpingLoop) -> None:
    begun = jumping.time()
    script = Script((2, QueueFull("others")), (9, reply(body=b"x")), reply(body=b"own"))
    await answers(shared(script, wait_timeout=3), [get(), get(), get()])
    assert script.times == [begun, begun + 2, begun + 3]
