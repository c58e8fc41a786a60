"""Machines whose clocks differ, and one Redis."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from proxy.core.clock import wall
from proxy.core.stored import UNANSWERED
from proxy.store import redis_time
from proxy.store.redis import RedisStore
from proxy.store.redis_time import RedisTime
from tests.support.redis_server import RedisServer
from tests.support.stored import FRESH, put

K, NONE = b"k" * 16, b"o" * 16
A_MINUTE = 60.0
"""By which all may be off: a machine may be busy. The clocks below differ by much more."""
A_YEAR = 365 * 24 * 3600.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes late on a busy machine is believed."""
    monkeypatch.setattr(redis_time, "_PRECISE", A_MINUTE)


def of_machine(server: RedisServer, ahead: float) -> RedisStore:
    """The store of one whose clock is ahead."""
    store = RedisStore(server.url, 60.0)
    store._time._own = lambda: wall() + ahead
    return store


@pytest.mark.parametrize(("one", "two"), [(600.0, 0.0), (-600.0, 0.0), (300.0, -300.0)])
async def test_what_one_has_stored_is_as_old_for_another_one(
    server: RedisServer, one: float, two: float
) -> None:
    writes, reads = of_machine(server, one), of_machine(server, two)
    for store in (writes, reads):
        assert not await store.get(NONE)
    put(writes, K, b"x", freshness=replace(FRESH, received_at=writes.now()))
    assert await writes.get(K)
    [entry] = await reads.get(K)
    assert abs(reads.now() - entry.meta.freshness.received_at) < A_MINUTE
    assert abs(reads.now() - wall()) < A_MINUTE
    for store in (writes, reads):
        await store.close()


async def test_a_clock_that_jumps_ahead_is_put_right_by_the_next_look_up(
    server: RedisServer,
) -> None:
    store = of_machine(server, 0.0)
    assert not await store.get(NONE)
    store._time._own = lambda: wall() + 600.0
    assert store.now() - wall() > 500.0  # rather older than younger
    assert not await store.get(NONE)
    await asyncio.gather(*store._calls._tasks)
    assert abs(store.now() - wall()) < A_MINUTE
    await store.close()


async def test_it_is_asked_for_once_a_minute(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, now = RedisStore(server.url, 60.0), 1000.0
    store._time._own = lambda: now
    asked = []
    ask = RedisTime._ask

    async def counted(time: RedisTime) -> None:
        asked.append(now)
        await ask(time)

    monkeypatch.setattr(RedisTime, "_ask", counted)
    for each in (1000.0, 1001.0, 1059.0, 1061.0, 1062.0, 1122.0):
        now = each
        assert not await store.get(NONE)
        await asyncio.gather(*store._calls._tasks)
    assert asked == [1000.0, 1061.0, 1122.0]
    await store.close()


async def test_without_an_answer_nothing_is_found_and_it_is_asked_for_again(
    server: RedisServer,
) -> None:
    patient, store = RedisStore(server.url, 60.0), RedisStore(server.url, 0.05)
    put(patient, K, b"x")
    assert await patient.get(K)
    server.stall()
    assert await store.get(K) is UNANSWERED
    server.go_on()
    async with asyncio.timeout(120):
        while not await store.get(K):
            pass
    assert store._time._asked_at is not None
    await store.close()
    await patient.close()


async def test_an_answer_that_took_long_says_nothing(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_time, "_PRECISE", 1.0)
    store, now = RedisStore(server.url, 60.0), 1000.0

    def own() -> float:
        nonlocal now
        now += 2.0
        return now

    store._time._own = own
    assert not await store.get(NONE)
    assert store._time._asked_at is None
    assert store.now() == now
    await store.close()


async def test_a_clock_that_jumps_by_days_removes_nothing_for_the_others(
    server: RedisServer,
) -> None:
    """An entry is removed once it cannot be used any more, by the time of whoever looks."""
    jumps, other = of_machine(server, 0.0), of_machine(server, 0.0)
    put(jumps, K, b"x")
    assert await jumps.get(K)
    jumps._time._own = lambda: wall() + A_YEAR
    assert await jumps.get(K)
    await asyncio.gather(*jumps._calls._tasks)
    assert await other.get(K)
    for store in (jumps, other):
        await store.close()


async def test_without_the_time_after_such_a_jump_nothing_is_found_and_nothing_removed(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps, other = of_machine(server, 0.0), of_machine(server, 0.0)
    put(jumps, K, b"x")
    assert await jumps.get(K)
    jumps._time._own = lambda: wall() + A_YEAR
    monkeypatch.setattr(redis_time, "_PRECISE", -1.0)  # no answer is quick enough
    assert await jumps.get(K) is UNANSWERED
    await asyncio.gather(*jumps._calls._tasks)
    monkeypatch.setattr(redis_time, "_PRECISE", A_MINUTE)
    assert await other.get(K)
    assert await jumps.get(K)
    for store in (jumps, other):
        await store.close()


async def test_without_a_first_answer_nothing_is_found_and_nothing_removed(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock is a year ahead from the start: all that is stored would have ended."""
    other, ahead = of_machine(server, 0.0), of_machine(server, A_YEAR)
    put(other, K, b"x")
    assert await other.get(K)
    monkeypatch.setattr(redis_time, "_PRECISE", -1.0)
    assert await ahead.get(K) is UNANSWERED
    await asyncio.gather(*ahead._calls._tasks)
    monkeypatch.setattr(redis_time, "_PRECISE", A_MINUTE)
    assert await other.get(K)
    assert await ahead.get(K)
    for store in (other, ahead):
        await store.close()


async def test_a_clock_that_jumps_while_redis_is_asked_removes_nothing(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has ended is told by the time from before the look."""
    jumps, other = of_machine(server, 0.0), of_machine(server, 0.0)
    put(jumps, K, b"x")
    assert await jumps.get(K)
    look = jumps._client.hgetall

    async def late(name: bytes) -> Any:
        found = await look(name)
        jumps._time._own = lambda: wall() + A_YEAR
        return found

    monkeypatch.setattr(jumps._client, "hgetall", late)
    assert await jumps.get(K)
    await asyncio.gather(*jumps._calls._tasks)
    assert await other.get(K)
    for store in (jumps, other):
        await store.close()
