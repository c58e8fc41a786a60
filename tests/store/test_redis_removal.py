"""Labels of entries in Redis, and what removes very many of them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.store import redis_removal
from proxy.store.invalidations import ALL
from proxy.store.redis import RedisStore
from proxy.store.redis_removal import RedisRemoval
from tests.support.redis_server import RedisServer, redis_server
from tests.support.stored import put

K = b"k" * 16


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    """A running redis-server."""
    async with redis_server() as running:
        yield running


async def test_what_is_replaced_leaves_the_sets_of_its_labels(server: RedisServer) -> None:
    store = RedisStore(server.url, 5.0)
    put(store, K, b"0", labels=[b"red"])
    for number in range(20):
        [entry] = await store.get(K)
        writer = store.put(K, entry.meta)
        writer.write(b"%d" % number)
        writer.commit(replaces=[entry.ident])
    assert len(await store.get(K)) == 1
    assert await store._client.scard(store._names.members(b"red")) == 1
    assert await store.purge(b"red") == 1
    await store.close()


async def test_an_attempt_to_invalidate_all_goes_on_where_the_last_one_failed(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_removal, "_AT_A_TIME", 10)
    store = RedisStore(server.url, 5.0)
    for number in range(100):
        put(store, b"%016d" % number, b"x")
        assert await store.get(b"%016d" % number)
    clear, steps = store._removal._clear_some, 0

    async def tired() -> int:
        nonlocal steps
        steps += 1
        if steps % 3 == 0:
            raise OSError("gone")
        return await clear()

    monkeypatch.setattr(RedisRemoval, "_clear_some", lambda _: tired())
    attempts = 1
    while await store._make_invalid(ALL, b"") is None:
        attempts += 1
        assert attempts < 50
    assert attempts > 1
    for number in range(100):
        assert not await store.get(b"%016d" % number)
    await store.close()


async def test_the_sets_of_labels_are_as_new_to_redis_as_what_is_looked_up(
    server: RedisServer,
) -> None:
    now = 100.0
    store = RedisStore(server.url, 5.0, lambda: now)
    put(store, K, b"x", labels=[b"red", b"blue"])
    assert await store.get(K)
    names = [store._names.members(each) for each in (b"red", b"blue")]
    async with asyncio.timeout(120):
        while not all([await store._client.object("IDLETIME", each) for each in names]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # Redis counts whole seconds
        now += 1
        assert await store.get(K)
        while any([await store._client.object("IDLETIME", each) for each in names]):
            await asyncio.sleep(0.05)
            now += 1
            assert await store.get(K)
    await store.close()


async def test_a_set_that_redis_has_dropped_is_there_again_after_a_look_up(
    server: RedisServer,
) -> None:
    now = 100.0
    store = RedisStore(server.url, 5.0, lambda: now)
    put(store, K, b"x", labels=[b"red"])
    assert await store.get(K)
    await asyncio.gather(*store._calls._tasks)
    await store._client.delete(store._names.members(b"red"))
    now += 1
    assert await store.get(K)
    await asyncio.gather(*store._calls._tasks)
    assert await store._client.ttl(store._names.members(b"red")) > 0
    assert await store.purge(b"red") == 1
    assert not await store.get(K)
    await store.close()
