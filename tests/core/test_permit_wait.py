"""Waiting for a connection of one of several servers."""

import asyncio

import pytest

from proxy.core.errors import NoEndpointAvailable, ServerAtLimit
from proxy.core.permit_wait import Line, first_free, setting_aside
from proxy.core.reply import Reply
from proxy.policy.permits import Permits
from tests.support.loop import JumpingLoop, Script, get, reply, settle


def taken() -> Permits:
    permits = Permits(1)
    permits.set_aside("another")
    return permits


async def waits(*several: Permits, seconds: float = 9) -> Permits | None:
    """In the lines of all; keeps what it is given."""
    line = Line()
    try:
        given = await line.wait(several, seconds)
        line.keep()
        return given
    finally:
        line.leave()


async def test_the_first_that_is_free_is_set_aside_for_who_waits(jumping: JumpingLoop) -> None:
    one, other = taken(), taken()
    waiting = asyncio.ensure_future(waits(one, other))
    later = asyncio.ensure_future(waits(one, other))
    await asyncio.sleep(1)
    other.forgo("another")
    one.forgo("another")  # in the same turn of the loop
    assert (await waiting, await later) == (other, one)
    assert one.full
    other.take(waiting)
    one.take(later)


async def test_who_looks_again_keeps_its_place_in_each_line(jumping: JumpingLoop) -> None:
    one, other, third = taken(), taken(), taken()
    line, order = Line(), list[str]()

    async def first() -> None:
        line._task = asyncio.current_task()
        assert await line.wait((one, other)) is None
        given = await line.wait((other, third))
        order.append("first")
        line.leave()
        assert given is one, "it waits for that still"

    async def second() -> None:
        await waits(one, other)
        order.append("second")

    waiting = [asyncio.ensure_future(each) for each in (first(), second())]
    await asyncio.sleep(1)
    line.look_again()
    await asyncio.sleep(1)
    one.forgo("another")
    await asyncio.gather(*waiting)
    assert order == ["first", "second"]


async def test_what_is_free_in_the_turn_of_another_look_is_given_to_the_first(
    jumping: JumpingLoop,
) -> None:
    permits, line = taken(), Line()

    async def first() -> Permits | None:
        line._task = asyncio.current_task()
        return await line.wait((permits,))

    waiting, later = asyncio.ensure_future(first()), asyncio.ensure_future(waits(permits))
    await asyncio.sleep(1)
    line.look_again()
    permits.forgo("another")
    assert await waiting is permits
    line.forgo()
    assert await later is permits


async def test_nobody_waits_longer_than_there_is_patience(jumping: JumpingLoop) -> None:
    permits, began = taken(), jumping.time()
    with pytest.raises(ServerAtLimit, match="no connection to api became free within connect of 9"):
        await first_free(permits, "api", 9)
    assert jumping.time() - began == 9
    permits.forgo("another")
    assert not permits.full, "nobody is given it who has left"


async def test_without_a_limit_of_time_it_is_waited_for_for_ever(jumping: JumpingLoop) -> None:
    permits = taken()
    waiting = asyncio.ensure_future(first_free(permits, "api", 0))
    await asyncio.sleep(10_000)
    permits.forgo("another")
    await waiting
    permits.take(waiting)


async def test_who_leaves_in_the_turn_in_which_it_is_told_gives_it_back(
    jumping: JumpingLoop,
) -> None:
    permits = taken()
    waiting = asyncio.ensure_future(first_free(permits, "api", 9))
    await asyncio.sleep(1)
    permits.forgo("another")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not permits.full


async def test_what_is_not_sent_gives_back_what_was_set_aside(jumping: JumpingLoop) -> None:
    permits = Permits(1)
    handle = setting_aside(permits, Script((5, NoEndpointAvailable()), (5, reply())))
    full = []
    for expected in (NoEndpointAvailable, Reply):
        sending = asyncio.ensure_future(settle(handle(get())))
        await asyncio.sleep(1)
        full.append(permits.full)
        assert isinstance(await sending, expected)
        full.append(permits.full)
    assert full == [True, False] * 2
