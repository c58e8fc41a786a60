"""A limit for many stretches of code, on a loop whose clock jumps."""

import asyncio

import pytest

from proxy.net.shared_timeout import Bound
from tests.support.loop import JumpingLoop


def running() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def stretch(bound: Bound, seconds: float) -> str:
    task = running()
    bound.begin(task)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if bound.end(task):
            return "late"
        raise
    except BaseException:
        bound.end(task)
        raise
    bound.end(task)
    return "in time"


async def later(bound: Bound, wait: float, seconds: float) -> str:
    await asyncio.sleep(wait)
    return await stretch(bound, seconds)


async def test_each_has_its_own_time(jumping: JumpingLoop) -> None:
    bound = Bound(5)
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
    bound = Bound(5)

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
    bound = Bound(5)
    task = asyncio.create_task(stretch(bound, 60))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_at_the_same_moment_is_not_lost(jumping: JumpingLoop) -> None:
    bound = Bound(5)
    task = asyncio.create_task(stretch(bound, 60))
    await asyncio.sleep(0)
    jumping.call_later(5, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_of_two_bounds_rings_for_itself(jumping: JumpingLoop) -> None:
    outer, inner = Bound(9), Bound(5)

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


async def test_a_burst_costs_one_timer(jumping: JumpingLoop) -> None:
    bound = Bound(5)
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
