"""The one clock."""

import asyncio

from proxy.core.clock import monotonic, never_back, wall


async def test_timers_of_the_loop_count_from_the_moment_from_which_the_clock_counts() -> None:
    loop = asyncio.get_running_loop()
    rung = loop.create_future()
    loop.call_at(monotonic() + 0.001, rung.set_result, None)
    await rung
    # To a minute: a machine may be busy. With another origin there would be hours between them.
    assert abs(loop.time() - monotonic()) < 60


def test_dates_are_told_from_times() -> None:
    assert wall() - monotonic() > 1e8


def test_the_time_of_what_is_stored_is_never_set_back_and_never_slower() -> None:
    day, running = 1000.0, 5.0
    now = never_back(lambda: day, lambda: running)
    assert now() == 1000.0
    day, running = 1010.0, 15.0
    assert now() == 1010.0
    day, running = 900.0, 20.0  # set back
    assert now() == 1015.0
    day, running = 905.0, 25.0
    assert now() == 1020.0
    day, running = 965.0, 25.0  # the machine has slept
    assert now() == 1080.0
