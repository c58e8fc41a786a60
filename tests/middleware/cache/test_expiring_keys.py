"""Keys for which something holds for a while."""

import asyncio

from proxy.middleware.cache.expiring_keys import ExpiringKeys
from tests.support.loop import JumpingLoop, loop_clock


async def test_a_key_is_held_for_a_second(jumping: JumpingLoop) -> None:
    keys = ExpiringKeys(loop_clock())
    assert not keys.holds(b"k")
    keys.add(b"k")
    await asyncio.sleep(0.9)
    assert keys.holds(b"k")
    await asyncio.sleep(0.2)
    assert not keys.holds(b"k")


async def test_rests_are_bounded(jumping: JumpingLoop) -> None:
    keys = ExpiringKeys(loop_clock())
    for number in range(5000):
        keys.add(b"%d" % number)
    assert not keys.holds(b"0")
    assert keys.holds(b"4999")
    assert len(keys._until) < 5000
