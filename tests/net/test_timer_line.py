"""One timer of the loop for many waits."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.net.timer_line import TimerLine
from tests.support.loop import JumpingLoop


class Waits:
    """One that notes when it is told."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.rings: list[float] = []

    def rang(self) -> None:
        self.rings.append(self._loop.time())


@pytest.fixture
def made(jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the timers of the loop are due that were made."""
    times: list[float] = []
    real = jumping.call_at

    def counting(when: float, *args: object, **kwargs: object) -> object:
        times.append(when)
        return real(when, *args, **kwargs)  # type: ignore[arg-type]  # they are those of call_at

    monkeypatch.setattr(jumping, "call_at", counting)
    return times


async def test_each_is_told_at_its_time_whatever_the_order(jumping: JumpingLoop) -> None:
    line, start = TimerLine(jumping), jumping.time()
    due = [5.0, 5.0, 8.0, 2.0, 6.0, 9.0]
    waits = [Waits(jumping) for _ in due]
    for one, at in zip(waits, due, strict=True):
        line.enter(one, start + at)
    await asyncio.sleep(20)
    assert [one.rings for one in waits] == [[start + at] for at in due]


async def test_who_has_left_hears_nothing(jumping: JumpingLoop) -> None:
    line, start = TimerLine(jumping), jumping.time()
    first, second, early, apart = (Waits(jumping) for _ in range(4))
    line.enter(first, start + 5)
    line.enter(second, start + 6)
    line.enter(early, start + 1)
    line.enter_apart(apart, start + 7)
    for one in (first, early, apart, apart):
        line.leave(one)
    await asyncio.sleep(20)
    assert [one.rings for one in (first, second, early, apart)] == [[], [start + 6], [], []]


async def test_those_that_leave_in_time_cost_no_timer(
    jumping: JumpingLoop, made: list[float]
) -> None:
    line, start = TimerLine(jumping), jumping.time()
    one = Waits(jumping)
    for number in range(100):
        line.enter(one, start + 60 + number)
        line.leave(one)
    waits = [Waits(jumping) for _ in range(100)]
    for number, each in enumerate(waits):
        line.enter(each, start + 200 + number)
    assert made == [start + 60]


async def test_one_apart_has_no_other_wait_for_it(jumping: JumpingLoop, made: list[float]) -> None:
    line, start = TimerLine(jumping), jumping.time()
    far, *others = (Waits(jumping) for _ in range(5))
    line.enter_apart(far, start + 600)
    for number, each in enumerate(others):
        line.enter(each, start + 5 + number)
    assert made == [start + 600, start + 5]


async def test_it_may_come_back_when_it_is_told(jumping: JumpingLoop) -> None:
    class Returns(Waits):
        def rang(self) -> None:
            super().rang()
            if len(self.rings) < 3:
                line.enter(self, jumping.time() + 5)

    line, start = TimerLine(jumping), jumping.time()
    one, other = Returns(jumping), Returns(jumping)
    line.enter(one, start + 5)
    line.enter(other, start + 7)
    await asyncio.sleep(60)
    assert one.rings == [start + 5, start + 10, start + 15]
    assert other.rings == [start + 7, start + 12, start + 17]


async def test_one_that_leaves_or_is_put_off_while_others_are_told_is_not_told_then(
    jumping: JumpingLoop,
) -> None:
    class First(Waits):
        def rang(self) -> None:
            super().rang()
            line.leave(leaves)
            line.leave(later)
            line.enter(later, start + 9)

    line, start = TimerLine(jumping), jumping.time()
    first, leaves, later, last = First(jumping), *(Waits(jumping) for _ in range(3))
    for one in (first, leaves, later, last):
        line.enter(one, start + 5)
    await asyncio.sleep(20)
    assert [one.rings for one in (first, leaves, later, last)] == [
        *([start + 5], [], [start + 9], [start + 5])
    ]


@pytest.mark.parametrize("number", [10, 1000])
async def test_the_line_is_not_walked_through_for_each_that_is_due(
    jumping: JumpingLoop, number: int
) -> None:
    """The first of a dict is found by walking past those that are gone."""

    class Walked(dict[Any, float]):
        walks = 0

        def items(self) -> Any:
            self.walks += 1
            return super().items()

        def values(self) -> Any:
            self.walks += 1
            return super().values()

        def __iter__(self) -> Iterator[Any]:
            self.walks += 1
            return super().__iter__()

    line = TimerLine(jumping)
    line._line = walked = Walked()
    waits = [Waits(jumping) for _ in range(number)]
    for one in waits:
        line.enter(one, jumping.time() + 5)
    await asyncio.sleep(20)
    assert all(len(one.rings) == 1 for one in waits)
    assert walked.walks <= 2


async def test_one_that_fails_keeps_nobody_from_being_told(jumping: JumpingLoop) -> None:
    class Fails(Waits):
        def rang(self) -> None:
            raise ValueError

    failures: list[object] = []
    jumping.set_exception_handler(lambda _, context: failures.append(context["exception"]))
    line, start = TimerLine(jumping), jumping.time()
    same, later = Waits(jumping), Waits(jumping)
    for one, at in ((Fails(jumping), 5), (same, 5), (later, 9)):
        line.enter(one, start + at)
    await asyncio.sleep(20)
    assert (same.rings, later.rings) == ([start + 5], [start + 9])
    assert [type(each) for each in failures] == [ValueError]


async def test_its_timer_keeps_nobody(jumping: JumpingLoop) -> None:
    line, one = TimerLine(jumping), Waits(jumping)
    line.enter(one, jumping.time() + 5)
    gone = weakref.ref(one), weakref.ref(line)
    del line, one
    gc.collect()
    assert [each() for each in gone] == [None, None]
    await asyncio.sleep(20)
