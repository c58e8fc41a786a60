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


def test_what_two_clocks_differ_by_when_they_are_read_adds_up_to_nothing() -> None:
    running, reads = 5.0, 0

    def day() -> float:
        nonlocal reads
        reads += 1
        return 1000.0 + running + reads % 3 * 0.1  # stopped for a moment, as it often is

    now = never_back(day, lambda: running)
    for _ in range(1000):
        running += 1.0
        now()
    assert abs(now() - 1000.0 - running) < 1.0


def test_a_pause_between_two_readings_is_no_step() -> None:
    running, pauses = 5.0, 0.0

    def day() -> float:
        nonlocal running, pauses
        running, pauses = running + pauses, 0.0
        return 1000.0 + running

    now = never_back(day, lambda: running)
    for _ in range(10):
        pauses = 30.0
        now()
        now()
    assert abs(now() - 1000.0 - running) < 1.0


def test_many_small_steps_of_the_time_of_day_are_seen() -> None:
    day, running = 1000.0, 5.0
    now = never_back(lambda: day, lambda: running)
    for _ in range(100):
        day, running = day + 1.1, running + 1.0
        now()
    assert abs(now() - day) <= 0.5
