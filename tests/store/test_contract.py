"""What every store does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.core.stored import NOT_KNOWN, Store
from proxy.run.workers.totals import Totals
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.sqlite import SqliteStore
from tests.support.redis_server import redis_server
from tests.support.stored import body_of, meta, put

K, OTHER, A, B, C = (name * 16 for name in (b"k", b"o", b"a", b"b", b"c"))
"""Keys, as long as those of the cache."""
LONG = bytes(range(256)) * 1024


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty one of each kind."""
    made: Store = MemoryStore(64 << 20)
    if request.param == "sqlite":
        made = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    if request.param == "redis":
        async with redis_server() as server:
            made = RedisStore(server.url, 0.0)
            yield made
            await made.close()
            return
    yield made
    await made.close()


async def test_what_was_stored_is_found_byte_for_byte(store: Store) -> None:
    put(store, K, b"one", b"", b"two")
    [entry] = await store.get(K)
    assert entry.meta == meta()
    assert entry.size == 6
    assert await body_of(entry) == b"onetwo"
    assert not await store.get(OTHER)
    assert await store.get(OTHER) is not NOT_KNOWN  # it says that there is nothing


async def test_a_long_body_is_read_from_anywhere(store: Store) -> None:
    put(store, K, *(LONG[at : at + 1000] for at in range(0, len(LONG), 1000)))
    [entry] = await store.get(K)
    assert entry.size == len(LONG)
    assert await body_of(entry) == LONG
    for position in (1, 65535, 65536, 65537, len(LONG) - 1):
        data = await entry.read(position)
        assert data
        assert LONG[position:].startswith(data)
    assert await entry.read(len(LONG)) == b""


async def test_nothing_is_found_before_its_last_byte(store: Store) -> None:
    writer = store.put(K, meta())
    assert writer.write(b"half")
    assert not await store.get(K)
    writer.abort()
    assert not await store.get(K)
    writer = store.put(K, meta())
    assert writer.write(b"whole")
    writer.commit()
    assert len(await store.get(K)) == 1


async def test_the_last_stored_comes_first_and_replaces_what_it_names(store: Store) -> None:
    put(store, K, b"1")
    put(store, K, b"2")
    first, second = await store.get(K)
    assert [await body_of(first), await body_of(second)] == [b"2", b"1"]
    assert first.ident != second.ident
    writer = store.put(K, meta())
    assert writer.write(b"3")
    writer.commit([second.ident])
    assert [await body_of(entry) for entry in await store.get(K)] == [b"3", b"2"]


@pytest.mark.parametrize("body", [b"", b"whole", LONG])
async def test_a_body_that_is_here_is_kept_as_one_that_is_written(
    store: Store, body: bytes
) -> None:
    put(store, K, b"old")
    [old] = await store.get(K)
    assert store.keep(K, meta(), await store.claims.take(), body, [old.ident])
    [entry] = await store.get(K)
    assert (entry.meta, entry.size) == (meta(), len(body))
    assert await body_of(entry) == body


async def test_what_was_made_invalid_meanwhile_is_not_kept(store: Store) -> None:
    await store.purge(B)
    claim, later = await store.claims.take(), await store.claims.take()
    await store.purge(A)
    store.keep(K, meta(labels=[A]), claim, b"old", [])
    assert not await store.get(K)
    store.keep(K, meta(labels=[B]), later, b"new", [])
    assert len(await store.get(K)) == 1


async def test_an_entry_gets_another_head(store: Store) -> None:
    put(store, K, b"body")
    [entry] = await store.get(K)
    await store.touch(K, entry.ident, meta(fields=[(b"New", b"1")]))
    await store.touch(K, b"unknown", meta())
    [entry] = await store.get(K)
    assert entry.meta.fields == ((b"New", b"1"),)
    assert await body_of(entry) == b"body"


async def test_one_entry_or_all_of_a_key_are_removed(store: Store) -> None:
    for body in (b"1", b"2", b"3"):
        put(store, K, body)
    put(store, OTHER, b"4")
    entries = await store.get(K)
    await store.delete(K, entries[1].ident)
    assert [await body_of(entry) for entry in await store.get(K)] == [b"3", b"1"]
    await store.delete(K)
    assert not await store.get(K)
    assert await store.get(OTHER)


async def test_a_label_purges_what_bears_it(store: Store) -> None:
    put(store, A, b"1", labels=[b"red", b"round"])
    put(store, B, b"2", labels=[b"red"])
    put(store, C, b"3", labels=[b"blue"])
    assert (await store.purge(b"red")).count == 2
    assert (await store.purge(b"red")).count == 0
    assert not await store.get(A)
    assert await store.get(C)


@pytest.mark.parametrize("shared", [True, False])
async def test_what_workers_share_is_shown_once(tmp_path: Path, *, shared: bool) -> None:
    path = tmp_path / "store.db"
    stores: list[Store] = [
        SqliteStore(path, 64 << 20, 0.0) if shared else MemoryStore(64 << 20) for _ in range(2)
    ]
    for store, keys in zip(stores, ((A, B), (C,)), strict=True):
        for key in keys:
            put(store, key, b"x")
            assert await store.get(key)  # it has been written
    shown = {each.name: each.value for each in Totals().of(each.describe(0.0) for each in stores)}
    assert shown["store_entries"] == 3
    for store in stores:
        await store.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("longer", [0, 1])
async def test_the_longest_body_that_fits_in_is_known(
    tmp_path: Path, kind: str, longer: int
) -> None:
    store: Store = MemoryStore(8 << 10)
    if kind == "sqlite":
        store = SqliteStore(tmp_path / "store.db", 8 << 10, 0.0)
    put(store, K, bytes(store.room_beside(meta()) + longer))
    assert len(await store.get(K)) == 1 - longer
    await store.close()
