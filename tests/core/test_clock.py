"""The one clock."""

import asyncio

from proxy.core.clock import monotonic, wall


async def test_timers_of_the_loop_count_from_the_moment_from_which_the_clock_counts() -> None:
    loop = asyncio.get_running_loop()
    rung = loop.create_future()
    loop.call_at(monotonic() + 0.001, rung.set_result, None)
    await rung
    # To a minute: a machine may be busy. With another origin there would be hours between them.
    assert abs(loop.time() - monotonic()) < 60


def test_dates_are_told_from_times() -> None:
    assert wall() - monotonic() > 1e8
