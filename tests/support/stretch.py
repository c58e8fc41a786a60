"""Stretches of code that have a bound in common."""

import asyncio

from proxy.net.timers import SharedTimeout


def running() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def stretch(bound: SharedTimeout, seconds: float) -> str:
    """Whether a stretch of code of so many seconds was ended by its bound."""
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


async def later(bound: SharedTimeout, wait: float, seconds: float) -> str:
    """One that begins after a wait."""
    await asyncio.sleep(wait)
    return await stretch(bound, seconds)
