"""Keys for which something holds for a while."""

import asyncio

from proxy.middleware.cache.rests import Rests
from tests.support.loop import JumpingLoop, loop_clock


async def test_a_rest_is_a_second(jumping: JumpingLoop) -> None:
    rests = Rests(loop_clock())
    assert not rests.under_way(b"k")
    rests.begin(b"k")
    await asyncio.sleep(0.9)
    assert rests.under_way(b"k")
    await asyncio.sleep(0.2)
    assert not rests.under_way(b"k")


async def test_rests_are_bounded(jumping: JumpingLoop) -> None:
    rests = Rests(loop_clock())
    for number in range(5000):
        rests.begin(b"%d" % number)
    assert not rests.under_way(b"0")
    assert rests.under_way(b"4999")
    assert len(rests._until) < 5000
