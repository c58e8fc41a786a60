"""The sets that entries in Redis are found by: what is in them, for how long, and how it goes."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from proxy.store import invalidations, redis_removal
from proxy.store.redis import RedisStore
from proxy.store.redis_entry import SPARE
from proxy.store.redis_scripts import PURGE
from tests.support.redis_server import RedisServer, redis_server
from tests.support.stored import FRESH, meta, put

K, OTHER = b"k" * 16, b"o" * 16
DAY = 24 * 3600
LONG = replace(FRESH, lifetime=10.0 * DAY)


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisStore]:
    """One that is never in a hurry."""
    made = RedisStore(server.url, 60.0)
    yield made
    await made.close()


async def stored(store: RedisStore, key: bytes, **options: Any) -> bytes:
    """The ident of an entry that is there."""
    put(store, key, b"x", labels=[b"red"], **options)
    entries = await store.get(key)
    await asyncio.gather(*store._calls._tasks)
    return entries[0].ident


async def ended(store: RedisStore, count: int) -> bytes:
    """Members of the set of a label whose entries have ended; its name."""
    name = store._names.members(b"red")
    await store._client.zadd(name, {b"e" * 16 + b"%d" % number: 1.0 for number in range(count)})
    return name


async def test_what_has_ended_goes_as_others_come(store: RedisStore) -> None:
    name = await ended(store, 250)
    for number, left in enumerate((150, 50, 0), 1):
        put(store, b"%016d" % number, b"x", labels=[b"red"])
        await asyncio.wait(store._writing.values())
        assert await store._client.zcard(name) == left + number


async def test_what_has_ended_goes_when_another_one_is_looked_up(store: RedisStore) -> None:
    await stored(store, K)
    name = await ended(store, 50)
    store._removal._touched.clear()
    assert await store.get(K)
    await asyncio.gather(*store._calls._tasks)
    assert await store._client.zcard(name) == 1


async def test_what_redis_has_dropped_goes_as_others_come(store: RedisStore) -> None:
    """As it does without a word where it is full (``allkeys-lru``)."""
    name = store._names.members(b"red")
    for number in range(600):
        key = b"%016d" % number
        put(store, key, b"x", labels=[b"red"])
        await asyncio.wait(store._writing.values())
        if number >= 20:
            await store._client.delete(store._names.entries(b"%016d" % (number - 20)))
    alive = 20
    assert alive <= await store._client.zcard(name) < 5 * alive
    assert (await store.purge(b"red")).count == alive


async def test_what_is_well_in_front_hides_nothing_that_was_dropped_behind(
    store: RedisStore,
) -> None:
    name = store._names.members(b"red")
    for number in range(4):  # these end first
        await stored(store, b"%016d" % number)
    for number in range(4, 300):
        key = b"%016d" % number
        put(store, key, b"x", labels=[b"red"], freshness=LONG)
        await asyncio.wait(store._writing.values())
        await store._client.delete(store._names.entries(key))
    assert await store._client.zcard(name) < 100


async def test_redis_that_is_full_takes_a_purge() -> None:
    async with redis_server() as server:
        store = RedisStore(server.url, 60.0)
        await stored(store, K)
        await store._client.config_set("maxmemory-policy", "noeviction")
        await store._client.config_set("maxmemory", "1kb")
        assert (await store.purge(b"red")).complete
        assert not await store.get(K)
        await store.close()


async def test_a_set_lasts_as_long_as_its_longest_entry(store: RedisStore) -> None:
    name = store._names.members(b"red")
    for key, freshness in ((K, FRESH), (OTHER, LONG), (b"l" * 16, FRESH)):
        await stored(store, key, freshness=freshness)
    hashes = [await store._client.ttl(store._names.entries(key)) for key in (K, OTHER)]
    assert hashes[0] < hashes[1] < 12 * DAY
    assert 0 <= await store._client.ttl(name) - hashes[1] - SPARE < 600


async def test_a_304_lets_an_entry_stay_in_its_sets_for_longer(store: RedisStore) -> None:
    ident = await stored(store, K)
    name = store._names.members(b"red")
    before = await store._client.zscore(name, K + ident)
    await store.touch(K, ident, meta(labels=[b"red"], freshness=LONG))
    assert await store._client.zscore(name, K + ident) > before + 8 * DAY
    lasts = await store._client.ttl(store._names.entries(K))
    assert await store._client.ttl(name) >= lasts + SPARE - 1


async def test_a_purge_finds_what_is_behind_what_others_store_meanwhile(
    server: RedisServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end earlier, so that they stand before it in the set."""
    monkeypatch.setattr(redis_removal, "_AT_A_TIME", 1)
    for key in (K, OTHER):
        await stored(store, key, freshness=LONG)
    other = RedisStore(server.url, 60.0)
    step, keys = store._removal._run[PURGE], iter(range(3))

    async def some(*arguments: Any) -> Any:
        found = await step(*arguments)
        if (number := next(keys, None)) is not None:
            await stored(other, b"%016d" % number)
        return found

    monkeypatch.setitem(store._removal._run, PURGE, some)
    assert (await store.purge(b"red")).complete
    assert not await other.get(K)
    assert not await other.get(OTHER)
    await other.close()


async def test_a_purge_that_takes_long_says_what_it_has_removed_and_goes_on(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_removal, "_AT_A_TIME", 1)
    for number in range(4):
        await stored(store, b"%016d" % number)
    step, steps = store._removal._run[PURGE], 0
    over, goes_on = asyncio.Event(), asyncio.Event()

    async def some(*arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 3:
            over.set()
            await goes_on.wait()
        return await step(*arguments)

    async def patience(*_: object, **__: object) -> None:
        await over.wait()

    monkeypatch.setitem(store._removal._run, PURGE, some)
    its = SimpleNamespace(wait=patience, get_running_loop=asyncio.get_running_loop)
    monkeypatch.setattr(invalidations, "asyncio", its)
    removal = await store.purge(b"red", 10.0)
    assert (removal.count, removal.complete) == (2, False)
    goes_on.set()
    await asyncio.gather(*store._invalid._tasks)
    assert (removal.count, removal.complete) == (4, True)
    assert not store._invalid.left
    monkeypatch.undo()
