"""One timer that is moved by assignment."""

import asyncio

import uvloop

from proxy.net.timers import Alarm
from tests.support.loop import JumpingLoop


def counted(loop: JumpingLoop) -> tuple[Alarm, list[float]]:
    rings: list[float] = []
    return Alarm(loop, lambda: rings.append(loop.time())), rings


async def test_it_rings_at_the_time_it_was_last_set_to(jumping: JumpingLoop) -> None:
    alarm, rings = counted(jumping)
    start = jumping.time()
    alarm.set(start + 5)
    await asyncio.sleep(3)
    alarm.set(start + 60)
    await asyncio.sleep(100)
    assert rings == [start + 60]
    assert not alarm.armed


async def test_it_can_be_moved_to_an_earlier_time(jumping: JumpingLoop) -> None:
    alarm, rings = counted(jumping)
    start = jumping.time()
    alarm.set(start + 60)
    alarm.set(start + 5)
    await asyncio.sleep(100)
    assert rings == [start + 5]


async def test_cleared_or_closed_it_stays_silent(jumping: JumpingLoop) -> None:
    alarm, rings = counted(jumping)
    alarm.set(jumping.time() + 5)
    alarm.clear()
    assert not alarm.armed
    await asyncio.sleep(10)
    alarm.set(jumping.time() + 5)
    alarm.close()
    await asyncio.sleep(10)
    assert rings == []


async def test_moving_it_costs_no_timer(jumping: JumpingLoop) -> None:
    alarm, _ = counted(jumping)
    made = 0
    real = jumping.call_at

    def counting(*args: object, **kwargs: object) -> object:
        nonlocal made
        made += 1
        return real(*args, **kwargs)  # type: ignore[arg-type]

    jumping.call_at = counting  # type: ignore[method-assign,assignment]
    for step in range(100):
        alarm.set(jumping.time() + 60 + step)
        alarm.clear()
    assert made == 1


def test_uvloop_moves_an_alarm_that_is_due_at_once() -> None:
    """Its handle for what is due at once has no ``when``."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rang: list[None] = []

        async def moved() -> None:
            loop = asyncio.get_running_loop()
            alarm = Alarm(loop, lambda: rang.append(None))
            alarm.set(loop.time())
            alarm.set(loop.time() + 0.001)
            alarm.set(loop.time())
            while not rang:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)

        runner.run(moved())
    assert rang
