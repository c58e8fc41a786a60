"""Bodies in parts, and how long those last."""

from collections.abc import AsyncIterator

import pytest

from proxy.core.clock import monotonic
from proxy.core.stored import StoreFailed
from proxy.store.parts import PIECE
from proxy.store.redis_calls import RedisCalls
from proxy.store.redis_entry import SPARE, Names
from proxy.store.redis_parts import RedisParts
from tests.support.redis_server import RedisServer

COUNT = 40
SIZE = (COUNT - 1) * PIECE + 1


@pytest.fixture
async def calls(server: RedisServer) -> AsyncIterator[RedisCalls]:
    """What asks it."""
    made = RedisCalls(server.url, 30.0, monotonic)
    yield made
    await made.close()


async def lives(calls: RedisCalls) -> set[int]:
    return {await calls.client.ttl(name) for name in await calls.client.keys("*")}


async def test_they_outlast_their_entry_and_never_last_less_than_before(calls: RedisCalls) -> None:
    parts = RedisParts(calls, Names(""))
    assert await parts.write(b"i", [b"%d" % number for number in range(COUNT)], 1000)
    assert [await parts.read(b"i", number, first=True) for number in (0, COUNT - 1)] == [
        b"0",
        b"%d" % (COUNT - 1),
    ]
    assert len(await calls.client.keys("*")) == COUNT
    for seconds, least in ((10, 1000), (5000, 5000)):
        await parts.lengthen(b"i", SIZE, seconds)
        assert all(least + SPARE - 500 < left <= least + SPARE for left in await lives(calls))
    await parts.remove(b"i", SIZE)
    assert not await calls.client.keys("*")
    assert await parts.read(b"i", 0, first=False) is None


async def test_one_that_cannot_be_written_is_told(server: RedisServer, calls: RedisCalls) -> None:
    parts = RedisParts(calls, Names(""))
    await server.kill()
    assert not await parts.write(b"i", [b"x"] * COUNT, 10)
    for first in (True, False):
        with pytest.raises(StoreFailed):
            await parts.read(b"i", 0, first=first)
