"""What only the store in Redis does, against a real server that stops and stalls."""

import asyncio
import time

import pytest
from redis.asyncio.client import Pipeline

from proxy.core.stored import NOT_KNOWN, UNANSWERED
from proxy.store import invalidations, redis
from proxy.store.parts import PIECE
from proxy.store.redis import RedisStore
from proxy.store.redis_scripts import STORE
from tests.support.redis_server import RedisServer, redis_server
from tests.support.samples import told
from tests.support.stored import FRESH, body_of, meta, put


async def filled(server: RedisServer) -> None:
    """Put an entry under ``b"k" * 16``, however long that takes."""
    patient = RedisStore(server.url, 60.0)
    put(patient, b"k" * 16, b"1", labels=[b"red"])
    assert await patient.get(b"k" * 16)
    await patient.close()


class Moved:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def stalled(server: RedisServer) -> tuple[RedisStore, Moved]:
    """A store with an entry, whose server has stalled; nobody waits for it any more."""
    await filled(server)
    clock = Moved()
    store = RedisStore(server.url, 0.05, clock)
    async with asyncio.timeout(120):
        while not await store.get(b"k" * 16):  # a busy machine takes longer than the timeout
            clock.now += 2
    server.stall()
    for _ in range(3):
        assert not await store.get(b"k" * 16)
    assert told(store)["store_circuit_open"] == 1
    return store, clock


async def test_machines_share_it(server: RedisServer) -> None:
    one, two = RedisStore(server.url, 5.0), RedisStore(server.url, 5.0)
    put(one, b"k" * 16, b"x" * PIECE * 3, labels=[b"red"])
    assert await one.get(b"k" * 16)
    [entry] = await two.get(b"k" * 16)
    assert await body_of(entry) == b"x" * PIECE * 3
    assert (await two.purge(b"red")).count == 1
    assert not await one.get(b"k" * 16)
    await one.close()
    await two.close()


async def test_services_with_other_namespaces_share_nothing(server: RedisServer) -> None:
    names = ["", "a", "b", "a:k"]
    stores = [RedisStore(server.url, 5.0, namespace=name) for name in names]
    key = b"k" * 16
    for number, store in enumerate(stores):
        put(store, key, b"%d" % number * PIECE * 2, labels=[b"red"])
        assert (await store.claims.take(b"lease")).token
        assert len(await store.get(key)) == 1
    await stores[1].delete(key)
    assert (await stores[2].purge(b"red")).count == 1
    assert [len(await store.get(key)) for store in stores] == [1, 0, 0, 1]
    [entry] = await stores[3].get(key)
    assert set(await body_of(entry)) == set(b"3")
    for store in stores:
        await store.close()


@pytest.mark.parametrize("how", ["key", "label"])
async def test_what_was_removed_while_redis_was_away_is_not_found_later(
    server: RedisServer, how: str
) -> None:
    store, clock = await stalled(server)
    if how == "key":
        await store.delete(b"k" * 16)
    else:
        assert (await store.purge(b"red")).count == 0
    server.go_on()
    async with asyncio.timeout(120):
        while told(store)["store_circuit_open"]:
            clock.now += 2
            assert not await store.get(b"k" * 16)
            await asyncio.sleep(0.01)
    assert not await store.get(b"k" * 16)
    await store.close()


async def test_what_could_not_be_removed_is_removed_without_another_look_up(
    server: RedisServer,
) -> None:
    await filled(server)
    store, other = RedisStore(server.url, 0.05), RedisStore(server.url, 60.0)
    server.stall()
    await store.delete(b"k" * 16)
    server.go_on()
    async with asyncio.timeout(120):
        while await other.get(b"k" * 16):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.05)
    await store.close()
    await other.close()


async def test_a_write_does_not_wait_for_a_server_that_stalls(server: RedisServer) -> None:
    store = RedisStore(server.url, 0.05)
    server.stall()
    began = time.monotonic()
    for key in (b"k" * 16, b"l" * 16):
        await store.delete(key)
        assert (await store.purge(key)).count == 0
    assert time.monotonic() - began < 4  # eight seconds, if each had waited as long as a write may
    server.go_on()
    await store.close()


async def test_everything_can_be_made_invalid(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invalidations, "_MOST", 2)
    one, two = RedisStore(server.url, 5.0), RedisStore(server.url, 5.0, namespace="other")
    for store in (one, two):
        put(store, b"k" * 16, b"x", labels=[b"red"])
        assert await store.get(b"k" * 16)
    server.stall()
    tasks = [asyncio.create_task(one.delete(b"%d" % number * 16)) for number in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert one._invalid.left == {("all", b"")}
    server.go_on()
    await asyncio.gather(*tasks)
    assert not one._invalid.left
    assert not await one.get(b"k" * 16)
    assert await two.get(b"k" * 16)
    await one.close()
    await two.close()


async def test_everything_expires(server: RedisServer) -> None:
    store = RedisStore(server.url, 5.0)
    put(store, b"k" * 16, b"x" * PIECE * 2, labels=[b"red"], freshness=FRESH)
    assert await store.get(b"k" * 16)
    for name in await store._client.keys("*"):
        assert 0 < await store._client.ttl(name) <= 30 * 24 * 3600 + 1
    assert len(await store._client.keys("*")) == 4
    await store.close()


async def test_a_part_that_redis_has_dropped_is_an_error_and_no_short_body(
    server: RedisServer,
) -> None:
    store = RedisStore(server.url, 5.0)
    put(store, b"k" * 16, b"x" * PIECE * 2)
    [entry] = await store.get(b"k" * 16)
    for name in await store._client.keys("*b*:1"):
        await store._client.delete(name)
    assert len(await entry.read(0)) == PIECE
    with pytest.raises(Exception, match="not there"):
        await entry.read(PIECE)
    async with asyncio.timeout(120):
        while await store.get(b"k" * 16):  # or the next client would be cut in the same place
            pass
    await store.close()


async def test_a_server_that_stalls_is_not_waited_for(server: RedisServer) -> None:
    store, clock = await stalled(server)
    began = time.monotonic()
    for _ in range(100):
        assert await store.get(b"k" * 16) is UNANSWERED
    assert time.monotonic() - began < 4  # more than 5 seconds, if each had waited
    assert not store.put(b"l" * 16, meta()).write(b"x")
    server.go_on()
    async with asyncio.timeout(120):
        while not await store.get(b"k" * 16):  # the probe of each second
            clock.now += 1
            await asyncio.sleep(0.01)
    assert told(store)["store_circuit_open"] == 0
    await store.close()


async def test_a_server_that_is_gone_means_misses(server: RedisServer) -> None:
    store = RedisStore(server.url, 0.5)
    await server.kill()
    put(store, b"k" * 16, b"1")
    assert await store.get(b"k" * 16) is UNANSWERED
    await store.touch(b"k" * 16, b"i", meta())
    await store.delete(b"k" * 16)
    assert (await store.purge(b"red")).count == 0
    assert told(store)["store_failures"] >= 3
    await store.close()


async def test_a_server_without_room_means_misses() -> None:
    async with redis_server("--maxmemory", "2mb", "--maxmemory-policy", "noeviction") as server:
        store = RedisStore(server.url, 5.0)
        for number in range(40):
            put(store, b"%016d" % number, b"x" * PIECE * 3)
            for entry in await store.get(b"%016d" % number):
                assert await body_of(entry) == b"x" * PIECE * 3
        assert told(store)["store_failures"] > 0
        await store.close()


async def test_what_is_still_being_written_is_no_fault_of_redis(server: RedisServer) -> None:
    store = RedisStore(server.url, 0.05)
    store._writing[b"k" * 16] = task = asyncio.create_task(asyncio.sleep(3600))
    assert await store.get(b"k" * 16) is NOT_KNOWN
    task.cancel()
    await store.close()


@pytest.mark.parametrize("body", [b"x", b"x" * PIECE * 2], ids=["short", "long"])
async def test_a_reply_that_cannot_be_written_gives_its_lease_back(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """Others would wait until it ends by itself."""
    store, other = RedisStore(server.url, 60.0), RedisStore(server.url, 60.0)
    claim = await store.claims.take(b"l" * 16)
    assert await other.claims.holder(b"l" * 16) == claim.token != b""

    async def fail(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setitem(store._run, STORE, fail)
    monkeypatch.setattr(Pipeline, "execute", fail)
    assert store.keep(b"k" * 16, meta(), claim, body, ())
    await asyncio.wait(store._writing.values())
    await asyncio.gather(*store._calls._tasks)
    assert not await other.claims.holder(b"l" * 16)
    await store.close()
    await other.close()


async def test_an_entry_of_another_version_of_the_proxy_is_a_miss(server: RedisServer) -> None:
    store = RedisStore(server.url, 0.0)
    await store._client.hset(store._names.entries(b"k"), b"ident", b"of another one")
    assert not await store.get(b"k")
    await store.close()


async def test_what_waits_for_the_network_is_bounded() -> None:
    store = RedisStore("redis://127.0.0.1:1", 5.0)
    written = store.put(b"k", meta())
    assert written.write(b"x")
    assert not written.write(bytes(redis._BACKLOG))
    written.abort()
    assert store._backlog == 0
    await store.close()
