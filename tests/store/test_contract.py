"""What every store does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.core.stored import Store
from proxy.store.memory import MemoryStore
from proxy.store.sqlite import SqliteStore
from tests.support.stored import body_of, meta, put

LONG = bytes(range(256)) * 1024


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty one of each kind."""
    made: Store = MemoryStore(64 << 20)
    if request.param == "sqlite":
        made = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    yield made
    await made.close()


async def test_what_was_stored_is_found_byte_for_byte(store: Store) -> None:
    put(store, b"k", b"one", b"", b"two")
    [entry] = await store.get(b"k")
    assert entry.meta == meta()
    assert entry.size == 6
    assert await body_of(entry) == b"onetwo"
    assert not await store.get(b"other")


async def test_a_long_body_is_read_from_anywhere(store: Store) -> None:
    put(store, b"k", *(LONG[at : at + 1000] for at in range(0, len(LONG), 1000)))
    [entry] = await store.get(b"k")
    assert entry.size == len(LONG)
    assert await body_of(entry) == LONG
    for position in (1, 65535, 65536, 65537, len(LONG) - 1):
        data = await entry.read(position)
        assert data
        assert LONG[position:].startswith(data)
    assert await entry.read(len(LONG)) == b""


async def test_nothing_is_found_before_its_last_byte(store: Store) -> None:
    writer = store.put(b"k", meta())
    assert writer.write(b"half")
    assert not await store.get(b"k")
    writer.abort()
    assert not await store.get(b"k")
    writer = store.put(b"k", meta())
    assert writer.write(b"whole")
    writer.commit()
    assert len(await store.get(b"k")) == 1


async def test_the_last_stored_comes_first_and_replaces_what_it_names(store: Store) -> None:
    put(store, b"k", b"1")
    put(store, b"k", b"2")
    first, second = await store.get(b"k")
    assert [await body_of(first), await body_of(second)] == [b"2", b"1"]
    assert first.ident != second.ident
    writer = store.put(b"k", meta())
    assert writer.write(b"3")
    writer.commit([second.ident])
    assert [await body_of(entry) for entry in await store.get(b"k")] == [b"3", b"2"]


async def test_an_entry_gets_another_head(store: Store) -> None:
    put(store, b"k", b"body")
    [entry] = await store.get(b"k")
    await store.touch(b"k", entry.ident, meta(fields=[(b"New", b"1")]))
    await store.touch(b"k", b"unknown", meta())
    [entry] = await store.get(b"k")
    assert entry.meta.fields == [(b"New", b"1")]
    assert await body_of(entry) == b"body"


async def test_one_entry_or_all_of_a_key_are_removed(store: Store) -> None:
    for body in (b"1", b"2", b"3"):
        put(store, b"k", body)
    put(store, b"other", b"4")
    entries = await store.get(b"k")
    await store.delete(b"k", entries[1].ident)
    assert [await body_of(entry) for entry in await store.get(b"k")] == [b"3", b"1"]
    await store.delete(b"k")
    assert not await store.get(b"k")
    assert await store.get(b"other")


async def test_a_label_purges_what_bears_it(store: Store) -> None:
    put(store, b"a", b"1", labels=[b"red", b"round"])
    put(store, b"b", b"2", labels=[b"red"])
    put(store, b"c", b"3", labels=[b"blue"])
    assert await store.purge(b"red") == 2
    assert await store.purge(b"red") == 0
    assert not await store.get(b"a")
    assert await store.get(b"c")
