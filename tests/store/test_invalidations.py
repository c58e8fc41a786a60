"""What is invalid stays hidden, also where the file cannot be told so."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.core.stored import Removal
from proxy.policy.key_changes import Changes
from proxy.store import database, file, invalidations
from proxy.store.sqlite import SqliteStore
from tests.support.stored import body_of, meta, put

K, OTHER = b"k" * 16, b"o" * 16
INVALIDATE = [lambda store: store.delete(K), lambda store: store.purge(b"red")]


@pytest.fixture
async def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    """One that does not wait long for the locks of others."""
    monkeypatch.setattr(database, "BUSY", 0.01)
    monkeypatch.setattr(file, "_LOCKED", 0.01)
    monkeypatch.setattr(invalidations, "_AGAIN", 0.01)
    made = SqliteStore(path, 64 << 20, 0)
    put(made, K, b"old", labels=[b"red"])
    put(made, OTHER, b"other", labels=[b"blue"])
    assert await made.get(K)
    assert await made.get(OTHER)
    yield made
    await made.close()


@pytest.fixture
def lock(path: Path, store: SqliteStore) -> Iterator[sqlite3.Connection]:
    """Another process that was stopped while it wrote."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


async def gone(path: Path, key: bytes) -> None:
    """Wait until another process finds nothing."""
    other = SqliteStore(path, 0, 0)
    async with asyncio.timeout(60):
        while await other.get(key):  # noqa: ASYNC110 - the file tells nobody
            await asyncio.sleep(0.01)
    await other.close()


@pytest.mark.parametrize("invalidate", INVALIDATE, ids=["key", "label"])
async def test_what_a_locked_file_still_has_is_hidden_and_removed_later(
    path: Path,
    store: SqliteStore,
    lock: sqlite3.Connection,
    invalidate: Callable[[SqliteStore], Any],
) -> None:
    await invalidate(store)
    assert not await store.get(K)
    assert [await body_of(each) for each in await store.get(OTHER)] == [b"other"]
    lock.execute("ROLLBACK")
    assert not await store.get(K)
    await gone(path, K)
    put(store, K, b"new", labels=[b"red"])
    async with asyncio.timeout(60):
        while not (found := await store.get(K)):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    assert [await body_of(each) for each in found] == [b"new"]


@pytest.mark.parametrize("invalidate", INVALIDATE, ids=["key", "label"])
async def test_what_is_removed_too_slowly_is_hidden_meanwhile(
    path: Path, invalidate: Callable[[SqliteStore], Any]
) -> None:
    store = SqliteStore(path, 0, 0.05)
    put(store, K, b"old", labels=[b"red"])
    await store._file.change(lambda _: None)
    gate, loop = asyncio.Event(), asyncio.get_running_loop()
    store._file.begin(
        lambda: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()  # a slow disk
    )
    await invalidate(store)
    assert not await store.get(K)
    gate.set()
    await store._file.change(lambda _: None)
    assert not await store.get(K)
    await store.close()


async def test_a_purge_with_patience_ends_when_it_is_made(path: Path) -> None:
    store = SqliteStore(path, 0, 0.01)
    put(store, K, b"old", labels=[b"red"])
    gate, loop = asyncio.Event(), asyncio.get_running_loop()
    store._file.begin(lambda: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result())
    removal = await store.purge(b"red")
    assert (removal.count, removal.complete) == (0, False)
    loop.call_later(0.1, gate.set)  # longer than the timeout
    put(store, K, b"old", labels=[b"red"])
    removal = await store.purge(b"red", 600.0)
    assert (removal.count, removal.complete) == (1, True)
    assert not store._invalid.left
    await store.close()


async def test_one_that_is_asked_for_again_meanwhile_is_made_twice(path: Path) -> None:
    store = SqliteStore(path, 0, 0.01)
    gate, loop = asyncio.Event(), asyncio.get_running_loop()
    store._file.begin(lambda: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result())
    await store.delete(K)
    store._file.begin(lambda: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result())
    await store.delete(K)
    assert store._invalid.left == {("key", K)}
    gate.set()
    await store._file.change(lambda _: None)
    await asyncio.sleep(0)
    assert not store._invalid.left
    await store.close()


async def test_if_too_many_are_left_all_is_invalid(
    path: Path, store: SqliteStore, lock: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invalidations, "_MOST", 3)
    claim = await store.claims.take()
    for number in range(4):
        await store.delete(b"%d" % number)
    assert len(store._invalid.left) == 1
    assert not await store.get(OTHER)
    lock.execute("ROLLBACK")
    await gone(path, OTHER)
    writer = store.put(K, meta(), claim)  # asked for before: it is invalid too
    writer.write(b"x")
    writer.commit()
    assert not await store.get(K)


async def test_one_that_raises_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invalidations, "_AGAIN", 0.0)
    tries, again, made = 0, asyncio.Event(), asyncio.Event()
    removals: set[Removal] = set()

    async def send(_kind: str, _name: bytes, removal: Removal) -> bool:
        nonlocal tries
        tries += 1
        removals.add(removal)
        if tries == 1:
            raise ValueError
        await again.wait()
        removal.count += 1
        made.set()
        return True

    left = invalidations.Invalidations(send, None, Changes())
    removal = await left.make(invalidations.KEY, b"k")
    assert (removal.count, removal.complete) == (0, False)
    again.set()
    await made.wait()
    await asyncio.sleep(0)
    assert not left.left
    assert removals == {removal}
    assert (removal.count, removal.complete) == (1, True)
    await left.close()


async def test_while_one_cannot_be_made_the_others_are_not_tried() -> None:
    asked = list[bytes]()

    async def send(_: str, name: bytes, __: Removal) -> bool:
        asked.append(name)
        return False

    made = invalidations.Invalidations(send, None, Changes())
    for name in (K, OTHER):
        await made.make(invalidations.KEY, name)
    await made._make_failed()
    assert len(asked) == 3
    await made.close()
