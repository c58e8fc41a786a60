"""Labels of entries in Redis, and what removes very many of them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import NoPermissionError

from proxy.core.stored import Removal
from proxy.store import redis_removal
from proxy.store.invalidations import ALL
from proxy.store.redis import RedisStore
from proxy.store.redis_calls import RedisCalls
from proxy.store.redis_removal import RedisRemoval
from tests.support.redis_server import RedisServer
from tests.support.stored import put

K = b"k" * 16


async def test_what_is_replaced_leaves_the_sets_of_its_labels(server: RedisServer) -> None:
    store = RedisStore(server.url, 5.0)
    put(store, K, b"0", labels=[b"red"])
    for number in range(20):
        [entry] = await store.get(K)
        writer = store.put(K, entry.meta)
        writer.write(b"%d" % number)
        writer.commit(replaces=[entry.ident])
    assert len(await store.get(K)) == 1
    assert await store._client.zcard(store._names.members(b"red")) == 1
    assert (await store.purge(b"red")).count == 1
    await store.close()


KEYS = [b"%016d" % number for number in range(100)]


@pytest.fixture
async def tired(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisStore]:
    """A store with many keys, in which each third step of a removal of all of them fails."""
    monkeypatch.setattr(redis_removal, "_AT_A_TIME", 10)
    store = RedisStore(server.url, 5.0)
    clear, steps = store._removal._clear_some, 0

    async def some(removal: Removal) -> int:
        nonlocal steps
        steps += 1
        if steps % 3 == 0:
            raise OSError("gone")
        return await clear(removal)

    monkeypatch.setattr(RedisRemoval, "_clear_some", lambda _, removal: some(removal))
    await fill(store)
    yield store
    await store.close()


async def fill(store: RedisStore) -> None:
    for key in KEYS:
        put(store, key, b"x")
        assert await store.get(key)


async def made(store: RedisStore, removal: Removal) -> int:
    """How many attempts it takes until all is invalid."""
    attempts = 1
    while not await store._make_invalid(ALL, b"", removal):
        attempts += 1
        assert attempts < 50
    assert not any([await store.get(key) for key in KEYS])
    return attempts


async def test_an_attempt_to_invalidate_all_goes_on_where_the_last_one_failed(
    tired: RedisStore,
) -> None:
    assert await made(tired, Removal()) > 1


@pytest.mark.parametrize("allowed", [True, False])
async def test_an_attempt_to_invalidate_all_begins_anew_where_redis_is_another_process(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, *, allowed: bool
) -> None:
    """What a scan has come to is nothing that another process knows."""
    monkeypatch.setattr(redis_removal, "_AT_A_TIME", 10)
    store = RedisStore(server.url, 5.0)
    await fill(store)
    removal, clear, run_id = Removal(), store._removal._clear_some, "one"
    begun_at = []

    async def info(_: str) -> dict[str, str]:
        if not allowed:
            raise NoPermissionError
        return {"run_id": run_id}

    async def some(removal: Removal) -> int:
        nonlocal run_id
        begun_at.append(store._removal._next)
        if len(begun_at) == 3:
            run_id = "two"
            raise ConnectionResetError
        return await clear(removal)

    monkeypatch.setattr(store._client, "info", info)
    monkeypatch.setattr(RedisRemoval, "_clear_some", lambda _, removal: some(removal))
    assert await made(store, removal) == 2
    assert [at == 0 for at in begun_at[:4]] == [True, False, False, True]
    await store.close()


async def test_all_is_not_taken_for_invalid_where_redis_was_another_process_at_the_end(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections may end and be made anew between two steps, so that none fails."""
    store, found = RedisStore(server.url, 5.0), ["one", "two", "two", "two"]
    await fill(store)

    async def info(_: str) -> dict[str, str]:
        return {"run_id": found.pop(0)}

    monkeypatch.setattr(store._client, "info", info)
    assert await made(store, Removal()) == 2
    await store.close()


async def test_a_later_invalidation_of_all_begins_anew(tired: RedisStore) -> None:
    """What was stored since under a key that the first has been at is to go too."""
    assert not await tired._make_invalid(ALL, b"", Removal())
    await fill(tired)
    await made(tired, Removal())


async def test_a_later_invalidation_of_all_ends_the_one_before(tired: RedisStore) -> None:
    first, second = Removal(), Removal()
    both = await asyncio.gather(*(tired._make_invalid(ALL, b"", each) for each in (first, second)))
    assert not both[0]
    await made(tired, second)


async def test_the_sets_of_labels_are_as_new_to_redis_as_what_is_looked_up(
    server: RedisServer,
) -> None:
    now = 100.0
    store = RedisStore(server.url, 5.0, lambda: now)
    put(store, K, b"x", labels=[b"red", b"blue"])
    assert await store.get(K)
    names = [store._names.members(each) for each in (b"red", b"blue")]
    async with asyncio.timeout(120):
        while not all([await store._client.object("IDLETIME", each) for each in names]):  # noqa: ASYNC110 - Redis tells nobody
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
    assert (await store.purge(b"red")).count == 1
    assert not await store.get(K)
    await store.close()


async def test_a_look_up_writes_sets_once_a_second_for_each_entry(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, begun = 100.0, 0
    store = RedisStore(server.url, 5.0, lambda: now)

    def counted(*_: object) -> None:
        nonlocal begun
        begun += 1

    for key in (K, b"other" * 3 + b"k"):
        put(store, key, b"x", labels=[b"red"])
        assert await store.get(key)
    monkeypatch.setattr(RedisCalls, "begin", counted)
    now += 1
    for _ in range(3):
        assert await store.get(K)
    assert begun == 1
    assert await store.get(b"other" * 3 + b"k")
    assert begun == 2
    now += 1
    assert await store.get(K)
    assert begun == 3
    await store.close()
