"""How long entries in Redis last, and what is waited for, against a real server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from proxy.store.parts import PIECE
from proxy.store.redis import RedisStore
from proxy.store.redis_entry import SPARE
from tests.support.redis_server import RedisServer
from tests.support.samples import told
from tests.support.stored import FRESH, body_of, meta, put

K, OTHER = b"k" * 16, b"o" * 16
DAY = 24 * 3600
LONG = replace(FRESH, lifetime=10.0 * DAY)


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisStore]:
    """One that is never in a hurry."""
    made = RedisStore(server.url, 60.0)
    yield made
    await made.close()


async def test_an_entry_ends_though_the_hash_goes_on_for_another_one(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parts expire then, and its head alone would be a reply that is cut."""
    put(store, K, b"1" * PIECE * 2)
    put(store, K, b"2" * PIECE * 2, freshness=LONG)
    assert len(await store.get(K)) == 2
    for later, left in ((DAY, 2), (DAY + 120, 1), (12 * DAY, 0)):
        monkeypatch.setattr(store, "now", lambda later=later: store._time.now() + later)
        assert len(await store.get(K)) == left
    async with asyncio.timeout(120):
        while await store._client.hlen(store._names.entries(K)):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


async def test_a_304_with_a_shorter_life_ends_the_entry_and_never_its_parts_before(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, K, b"1" * PIECE * 2, freshness=LONG)
    [entry] = await store.get(K)
    await store.touch(K, entry.ident, meta())
    for name in await store._client.keys("*b*:?"):
        assert await store._client.ttl(name) > 11 * DAY
    monkeypatch.setattr(store, "now", lambda: store._time.now() + DAY + 120)
    assert not await store.get(K)


async def test_a_304_with_a_longer_life_lengthens_that_of_the_parts_too(store: RedisStore) -> None:
    put(store, K, b"1" * PIECE * 2)
    [entry] = await store.get(K)
    await store.touch(K, entry.ident, meta(freshness=LONG))
    [at_first] = [await store._client.ttl(store._names.entries(K))]
    for name in await store._client.keys("*b*:?"):
        assert await store._client.ttl(name) > at_first + SPARE - 600
    [entry] = await store.get(K)
    assert await body_of(entry) == b"1" * PIECE * 2


async def test_to_wait_for_an_own_write_is_no_failure_of_redis(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, store = RedisStore(server.url, 60.0), RedisStore(server.url, 0.05)
    put(patient, OTHER, b"x")
    assert await patient.get(OTHER)
    go_on, real = asyncio.Event(), store._client.pipeline

    def slow(**options: Any) -> Any:
        made = real(**options)
        execute = made.execute

        async def stuck() -> Any:
            await go_on.wait()
            return await execute()

        made.execute = stuck
        return made

    monkeypatch.setattr(store._client, "pipeline", slow)
    put(store, K, b"1" * PIECE * 2)
    before = told(store)["store_failures"]
    for _ in range(5):
        assert not await store.get(K)
    assert (told(store)["store_failures"], told(store)["store_circuit_open"]) == (before, 0)
    go_on.set()
    async with asyncio.timeout(120):
        while not await store.get(K):
            pass
    await store.close()
    await patient.close()


async def test_a_reply_that_goes_out_waits_for_a_redis_that_stands_still(
    server: RedisServer,
) -> None:
    patient, store = RedisStore(server.url, 60.0), RedisStore(server.url, 0.05)
    put(patient, K, b"1" * PIECE * 2)
    assert await patient.get(K)
    async with asyncio.timeout(120):
        while not (found := await store.get(K)):
            pass
    server.stall()
    for _ in range(3):
        assert not await store.get(K)
    assert told(store)["store_circuit_open"] == 1
    rest = asyncio.create_task(found[0].read(PIECE))
    await asyncio.sleep(0)
    server.go_on()
    assert await rest == b"1" * PIECE
    await store.close()
    await patient.close()
