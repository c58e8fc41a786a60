"""What the process holds without need goes back, at a cost that is bounded."""

import asyncio
import gc
import platform
import subprocess
import sys
from collections.abc import Callable

import pytest

from proxy.run.memory import GROWTH, LOOK, RARELY, SHARE, Memory, resident
from tests.support.loop import JumpingLoop

MIB = 1 << 20


class Process:
    """Memory as it would be."""

    def __init__(self, loop: JumpingLoop, *, live: int = 50, garbage: int = 0, free: int = 0):
        self.live, self.garbage, self.free = live, garbage, free
        self.collected = self.trimmed = 0
        self.memory = Memory(loop, resident=self.resident, collect=self.collect, trim=self.trim)

    def resident(self) -> int:
        return (self.live + self.garbage + self.free) * MIB

    def collect(self) -> None:
        self.collected += 1
        self.free, self.garbage = self.free + self.garbage, 0

    def trim(self) -> None:
        self.trimmed += 1
        self.free = 0

    async def looks(self, number: int, before: Callable[[], None] | None = None) -> None:
        for _ in range(number):
            if before is not None:
                before()
            await asyncio.sleep(LOOK)
        self.memory.close()


_FAULTS = """
import resource
from proxy.run.memory import keep_what_is_free

keep_what_is_free()
for turn in range(300):
    if turn == 100:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [bytearray(b"x") * (60 << 10) for _ in range(8)]
    del pieces
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_the_pages_of_a_body_are_not_taken_anew_for_each_request() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("only glibc is told")
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) < 1000  # else it is 73 for each turn


@pytest.fixture(autouse=True)
def no_time_of_this_machine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a collection takes is what the jumping clock says: nothing, unless a test moves it."""
    if "jumping" in request.fixturenames:
        jumping: JumpingLoop = request.getfixturevalue("jumping")
        monkeypatch.setattr("proxy.run.memory.time.perf_counter", jumping.time)


async def test_what_is_free_is_given_back_within_two_looks(jumping: JumpingLoop) -> None:
    process = Process(jumping)
    process.free = 60
    await process.looks(2)
    assert (process.free, process.live) == (0, 50)


async def test_what_grows_is_collected_whoever_forgot_it(jumping: JumpingLoop) -> None:
    process = Process(jumping)
    most = 0

    def leak() -> None:
        nonlocal most
        process.garbage += 10
        most = max(most, process.resident())

    await process.looks(100, leak)
    assert most < 50 * MIB + GROWTH + 21 * MIB
    assert process.collected > 10


async def test_what_lives_is_looked_at_ever_more_rarely(jumping: JumpingLoop) -> None:
    process = Process(jumping)

    def grow() -> None:
        process.live += 10

    await process.looks(100, grow)
    assert process.collected < 15
    assert process.trimmed < 100 / RARELY + 20


async def test_a_quiet_process_is_left_alone(jumping: JumpingLoop) -> None:
    process = Process(jumping)
    await process.looks(100)
    assert (process.collected, process.trimmed) == (0, 0)


async def test_collections_take_no_more_than_their_share(jumping: JumpingLoop) -> None:
    """Where each takes a second and finds nothing, in a process whose load goes up and down."""
    process = Process(jumping)

    def collect() -> None:
        process.collected += 1
        jumping._jumper.now += 1.0

    process.memory._collect = collect
    load = [50, 500]

    def swing() -> None:
        load.reverse()
        process.live = load[0]

    await process.looks(200, swing)
    assert 0 < process.collected < 200 / SHARE + 2


async def test_where_the_system_says_nothing_nothing_is_done(jumping: JumpingLoop) -> None:
    process = Process(jumping)
    process.memory._resident = lambda: 0
    await process.looks(5)
    assert (process.collected, process.trimmed) == (0, 0)


def test_the_system_says_what_is_resident() -> None:
    gc.collect()
    assert 5 * MIB < resident() < 1 << 40
