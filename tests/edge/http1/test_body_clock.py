"""How long a client is waited for while its body comes."""

import asyncio

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import RequestTimeout
from proxy.core.size import Size
from proxy.edge.http1.body_clock import RATE_GRACE, BodyClock
from proxy.edge.options import ServerOptions
from tests.support.loop import JumpingLoop


def clock(loop: JumpingLoop, *, idle: float, rate: int) -> tuple[BodyClock, list[RequestTimeout]]:
    late = list[RequestTimeout]()
    options = ServerOptions(body_idle_timeout=Duration(idle), body_min_rate=Size(rate))
    return BodyClock(loop, options, late.append), late


async def test_a_wait_that_is_too_long_is_told_with_its_clock(jumping: JumpingLoop) -> None:
    waiting, late = clock(jumping, idle=60, rate=0)
    waiting.start(0)
    await asyncio.sleep(59)
    waiting.start(1)
    await asyncio.sleep(59)
    assert not late
    await asyncio.sleep(2)
    assert [error.clock for error in late] == ["body_idle_timeout"]


async def test_time_in_which_the_client_is_not_waited_for_does_not_count(
    jumping: JumpingLoop,
) -> None:
    waiting, late = clock(jumping, idle=60, rate=64)
    for _ in range(10):
        waiting.start(0)
        await asyncio.sleep(2)
        waiting.stop()
        waiting.stop()
        await asyncio.sleep(100)
    assert waiting.waited(jumping.time()) == pytest.approx(20)
    assert not late
    waiting.start(0)
    await asyncio.sleep(RATE_GRACE - 20 + 1)
    assert [error.clock for error in late] == ["body_min_rate"]


@pytest.mark.parametrize("idle", [60, 0])
async def test_what_has_come_earns_time(idle: float, jumping: JumpingLoop) -> None:
    waiting, late = clock(jumping, idle=idle, rate=100)
    for second in range(0, 200, 50):
        waiting.start(second * 100 + 6000)
        await asyncio.sleep(50)
        waiting.stop()
    assert not late


async def test_none_of_them_is_told_of_when_it_is_closed(jumping: JumpingLoop) -> None:
    waiting, late = clock(jumping, idle=60, rate=64)
    waiting.start(0)
    waiting.close()
    await asyncio.sleep(100)
    assert not late


async def test_a_client_that_sends_without_the_100_is_held_back_no_more(
    jumping: JumpingLoop,
) -> None:
    """What the server takes then is its own time."""
    waiting, late = clock(jumping, idle=60, rate=0)
    waiting.hold()
    await asyncio.sleep(1)
    waiting.stop()  # the first bytes are here
    await asyncio.sleep(9)
    waiting.start(5)
    await asyncio.sleep(2)
    now = jumping.time()
    assert waiting.held_back(now) == pytest.approx(1)
    assert waiting.waited(now) == pytest.approx(2)
    assert not late
