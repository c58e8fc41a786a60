"""One timer that is moved by assignment, and one for many stretches of code."""

import asyncio

import pytest
import uvloop

from proxy.net.timers import TURNS, RearmableTimer, SharedTimeout
from tests.support.loop import JumpingLoop
from tests.support.stretch import later, running, stretch


def counted(loop: JumpingLoop) -> tuple[RearmableTimer, list[float]]:
    rings: list[float] = []
    return RearmableTimer(loop, lambda: rings.append(loop.time())), rings


async def test_it_rings_at_the_time_it_was_last_set_to(jumping: JumpingLoop) -> None:
    timer, rings = counted(jumping)
    start = jumping.time()
    timer.arm(start + 5)
    await asyncio.sleep(3)
    timer.arm(start + 60)
    await asyncio.sleep(100)
    assert rings == [start + 60]
    assert not timer.armed


async def test_it_can_be_moved_to_an_earlier_time(jumping: JumpingLoop) -> None:
    timer, rings = counted(jumping)
    start = jumping.time()
    timer.arm(start + 60)
    timer.arm(start + 5)
    await asyncio.sleep(100)
    assert rings == [start + 5]


async def test_cleared_or_closed_it_stays_silent(jumping: JumpingLoop) -> None:
    timer, rings = counted(jumping)
    timer.arm(jumping.time() + 5)
    timer.disarm()
    assert not timer.armed
    await asyncio.sleep(10)
    timer.arm(jumping.time() + 5)
    timer.close()
    await asyncio.sleep(10)
    assert rings == []


async def test_moving_it_costs_no_timer(jumping: JumpingLoop) -> None:
    timer, _ = counted(jumping)
    made = 0
    real = jumping.call_at

    def counting(*args: object, **kwargs: object) -> object:
        nonlocal made
        made += 1
        return real(*args, **kwargs)  # type: ignore[arg-type]

    jumping.call_at = counting  # type: ignore[method-assign,assignment]
    for step in range(100):
        timer.arm(jumping.time() + 60 + step)
        timer.disarm()
    assert made == 1


def test_uvloop_moves_an_alarm_that_is_due_at_once() -> None:
    """Its handle for what is due at once has no ``when``."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rang: list[None] = []

        async def moved() -> None:
            loop = asyncio.get_running_loop()
            timer = RearmableTimer(loop, lambda: rang.append(None))
            timer.arm(loop.time())
            timer.arm(loop.time() + 0.001)
            timer.arm(loop.time())
            while not rang:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)

        runner.run(moved())
    assert rang


async def test_each_has_its_own_time(jumping: JumpingLoop) -> None:
    bound = SharedTimeout(5)
    begun = jumping.time()
    waits = [(0, 4.9), (1, 9), (2, 1), (3, 4.9), (4, 5.1)]
    ends: dict[int, tuple[str, float]] = {}

    async def run(number: int, wait: float, seconds: float) -> None:
        said = await later(bound, wait, seconds)
        ends[number] = said, round(jumping.time() - begun, 3)

    await asyncio.gather(*(run(n, *each) for n, each in enumerate(waits)))
    assert ends == {
        0: ("in time", 4.9),
        1: ("late", 6),
        2: ("in time", 3),
        3: ("in time", 7.9),
        4: ("late", 9),
    }


async def test_one_that_does_not_end_keeps_no_other_from_its_time(jumping: JumpingLoop) -> None:
    bound = SharedTimeout(5)

    async def stubborn() -> None:
        task = running()
        bound.begin(task)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)
        assert bound.end(task)

    task = asyncio.create_task(stubborn())
    assert await later(bound, 10, 60) == "late"
    assert not task.done()
    await task


async def test_a_cancellation_by_others_is_theirs(jumping: JumpingLoop) -> None:
    bound = SharedTimeout(5)
    task = asyncio.create_task(stretch(bound, 60))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_at_the_same_moment_is_not_lost(jumping: JumpingLoop) -> None:
    bound = SharedTimeout(5)
    task = asyncio.create_task(stretch(bound, 60))
    await asyncio.sleep(0)
    jumping.call_later(5, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_of_two_bounds_rings_for_itself(jumping: JumpingLoop) -> None:
    outer, inner = SharedTimeout(9), SharedTimeout(5)

    async def nested() -> list[str]:
        task = running()
        outer.begin(task)
        said = [await stretch(inner, 60)]
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            assert outer.end(task)
            said.append("outer")
        return said

    assert await nested() == ["late", "outer"]
    assert running().cancelling() == 0


class Patient:
    """Spares all that is late until a time, for so long at once."""

    def __init__(self, until: float, seconds: float) -> None:
        self.asked: list[float] = []
        self._until, self._seconds = until, seconds
        self.bound = SharedTimeout(5, self.spares)

    def spares(self, _: object) -> float:
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        return self._seconds if now < self._until else 0.0


async def test_those_that_are_spared_for_a_while_are_asked_again_together(
    jumping: JumpingLoop,
) -> None:
    begun = jumping.time()
    patient = Patient(begun + 8, 1)
    waits = [(0, 60), (0.25, 60), (0.5, 6), (0.5, 60)]
    said = await asyncio.gather(*(later(patient.bound, *each) for each in waits))
    assert said == ["late", "late", "in time", "late"]
    at = [round(each - begun, 3) for each in patient.asked]
    assert at == [5, 5.25, 5.5, 5.5, *[6] * 4, *[7] * 3, *[8] * 3]
    assert jumping.time() == begun + 8


async def test_one_that_is_spared_for_a_while_can_be_cancelled(jumping: JumpingLoop) -> None:
    patient = Patient(jumping.time() + 60, 1)
    task = asyncio.create_task(stretch(patient.bound, 60))
    await asyncio.sleep(6.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(60)
    assert len(patient.asked) == 2


async def test_a_burst_costs_one_timer(jumping: JumpingLoop) -> None:
    bound = SharedTimeout(5)
    made = 0
    call_at = jumping.call_at

    def counting(*args: object, **kwargs: object) -> object:
        nonlocal made
        made += 1
        return call_at(*args, **kwargs)  # type: ignore[arg-type]

    jumping.call_at = counting  # type: ignore[method-assign, assignment]
    task = running()
    for _ in range(100):
        bound.begin(task)
        bound.end(task)
    assert made == 1


def stand_still(loop: JumpingLoop, seconds: float) -> None:
    """The process is stopped: time passes, and the loop does nothing."""
    loop._jumper.now += seconds


@pytest.mark.parametrize("turns", [0, 1, TURNS - 1])
async def test_what_came_while_the_loop_stood_still_counts(
    jumping: JumpingLoop, turns: int
) -> None:
    """It takes a few turns of the loop until it has been read and somebody has acted on it."""
    timer, rings = counted(jumping)
    timer.arm(jumping.time() + 5)
    await asyncio.sleep(1)
    jumping.call_soon(stand_still, jumping, 60)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(turns):
        assert timer.armed
        await asyncio.sleep(0)
    timer.arm(jumping.time() + 5)
    await asyncio.sleep(4.9)
    assert rings == []
    await asyncio.sleep(1000)
    assert len(rings) == 1


async def test_where_nothing_came_meanwhile_it_rings_in_the_same_moment(
    jumping: JumpingLoop,
) -> None:
    timer, rings = counted(jumping)
    timer.arm(jumping.time() + 5)
    await asyncio.sleep(1)
    jumping.call_soon(stand_still, jumping, 60)
    await asyncio.sleep(0)
    now = jumping.time()
    for _ in range(2 * TURNS):
        await asyncio.sleep(0)
    assert rings == [now]
    assert not timer.armed


async def test_a_closed_timer_stays_closed_while_it_waits_for_what_came(
    jumping: JumpingLoop,
) -> None:
    timer, rings = counted(jumping)
    timer.arm(jumping.time() + 5)
    await asyncio.sleep(1)
    jumping.call_soon(stand_still, jumping, 60)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    timer.close()
    await asyncio.sleep(1000)
    assert rings == []
