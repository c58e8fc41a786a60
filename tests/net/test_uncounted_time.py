"""Time of a stretch of code that does not count."""

import asyncio
import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from proxy.net.timers import SharedTimeout
from tests.support.loop import JumpingLoop
from tests.support.stretch import later, stretch


class Waiting:
    """Whose time does not count, and how often that was asked."""

    def __init__(self, seconds: float, free: Callable[[float], float]) -> None:
        """``free``: what does not count, of so many seconds that have passed."""
        self._free = free
        self._begun = asyncio.get_running_loop().time()
        self.asked = 0
        self.bound = SharedTimeout(seconds, None, self.uncounted)

    def uncounted(self, _: asyncio.Task[Any]) -> float:
        self.asked += 1
        return self._free(asyncio.get_running_loop().time() - self._begun)


@pytest.mark.parametrize(
    ("free", "said", "end"),
    [
        (lambda passed: min(passed, 3.0), "late", 8),
        (lambda passed: passed, "in time", 99),
        (lambda passed: passed - 4.999, "in time", 99),  # nearly all of its time is used up
        (lambda passed: 0.0, "late", 5),
    ],
)
async def test_what_does_not_count_is_added_to_the_time_of_one(
    jumping: JumpingLoop, free: Callable[[float], float], said: str, end: float
) -> None:
    waiting, begun = Waiting(5, free), jumping.time()
    assert await stretch(waiting.bound, 99) == said
    assert jumping.time() - begun == pytest.approx(end)
    assert waiting.asked <= 99 / 5 * 16 + 1


async def test_one_with_more_time_keeps_no_other_from_its_own(jumping: JumpingLoop) -> None:
    waiting = Waiting(5, lambda passed: min(passed, 3.0))
    begun, ends = jumping.time(), list[float]()

    async def run(wait: float) -> None:
        assert await later(waiting.bound, wait, 99) == "late"
        ends.append(jumping.time() - begun)

    await asyncio.gather(run(0), run(1), run(2))
    assert ends == pytest.approx([8, 9, 10])


async def test_one_with_more_time_can_be_cancelled_and_leaves_nothing(jumping: JumpingLoop) -> None:
    waiting = Waiting(5, lambda passed: passed)
    task = asyncio.create_task(stretch(waiting.bound, 99))
    await asyncio.sleep(7)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stretch(waiting.bound, 1) == "in time"
    known = weakref.ref(waiting.bound)
    gc.disable()
    try:
        del waiting, task
        await asyncio.sleep(9)
        assert known() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("seconds", [0.5, math.inf])
async def test_one_with_more_time_hears_later_that_all_have_another(
    jumping: JumpingLoop, seconds: float
) -> None:
    waiting, begun = Waiting(5, lambda passed: min(passed, 50.0)), jumping.time()
    task = asyncio.create_task(stretch(waiting.bound, 999))
    await asyncio.sleep(6)
    waiting.bound.adjust(seconds)
    if seconds == math.inf:
        await asyncio.sleep(100)
        waiting.bound.adjust(5)
    assert await task == "late"
    assert jumping.time() - begun < 200
