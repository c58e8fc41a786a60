"""A file that another process keeps locked is waited for once, whatever requests want of it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.core.stored import NOT_KNOWN, StoreFailed
from proxy.store import sqlite
from proxy.store.file import File
from proxy.store.parts import PIECE
from proxy.store.sqlite import SqliteStore
from tests.support.samples import told
from tests.support.stored import meta, put

FOREVER = 3600.0


@pytest.fixture
def free() -> threading.Event:
    """When the thread that writes may go on."""
    return threading.Event()


@pytest.fixture
async def store(tmp_path: Path, free: threading.Event) -> AsyncIterator[SqliteStore]:
    """One that has an entry, and whose thread that writes stands still."""
    found = SqliteStore(tmp_path / "store.db", 0, 0.05)
    put(found, b"old", b"1")
    await found._file.change(lambda _: None)
    assert await found.get(b"old")
    found._file.begin(free.wait)
    yield found
    free.set()
    await found.close()


async def test_a_key_that_is_being_written_is_waited_for_once(
    store: SqliteStore, free: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, b"k", b"1")
    async with asyncio.timeout(30):
        assert await store.get(b"k") is NOT_KNOWN
        store._timeout = FOREVER
        for _ in range(3):
            assert await store.get(b"k") is NOT_KNOWN
        assert not (await store.claims.take(b"lease")).token
    assert (told(store)["store_timeouts"], len(caplog.messages)) == (4, 1)
    free.set()
    await store._file.change(lambda _: None)
    assert await store.get(b"k")


async def test_a_head_is_changed_later_and_that_is_waited_for_once(
    store: SqliteStore, free: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    [entry] = await store.get(b"old")
    async with asyncio.timeout(30):
        await store.touch(b"old", entry.ident, meta(status=201))
        store._timeout = FOREVER
        await store.touch(b"old", entry.ident, meta(status=202))
        await store.touch(b"old", entry.ident, meta(status=203))
    assert (told(store)["store_timeouts"], len(caplog.messages)) == (3, 1)
    [entry] = await store.get(b"old")
    assert entry.meta.status == 200
    free.set()
    await store._file.change(lambda _: None)
    [entry] = await store.get(b"old")
    assert entry.meta.status == 203


async def test_an_entry_is_removed_later(store: SqliteStore, free: threading.Event) -> None:
    [entry] = await store.get(b"old")
    for _ in range(2):
        await store.delete(b"old", entry.ident)
    assert await store.get(b"old")
    free.set()
    await store._file.change(lambda _: None)
    assert not await store.get(b"old")


async def test_both_threads_have_one_time(
    store: SqliteStore, free: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up that waits for what is to be written takes no longer than another one."""
    free.set()
    moments, left = iter([1000.0, 1000.2]), list[float | None]()
    monkeypatch.setattr(sqlite, "monotonic", lambda: next(moments, 1000.2))
    usual = File.read

    async def read(file: File, look: Any, within: float | None = None, **_: object) -> object:
        left.append(within)
        return await usual(file, look)

    monkeypatch.setattr(File, "read", read)
    store._timeout = 60.5
    store._unwritten[b"old"] = 1
    assert await store.get(b"old")
    assert left == [pytest.approx(60.3)]


async def test_who_reads_too_slowly_is_waited_for_once(
    store: SqliteStore, free: threading.Event
) -> None:
    """Nothing of a reply has been sent yet: it is a miss; nobody knows the order, nor a holder."""
    free.set()
    put(store, b"long", b"x" * 200_000)
    await store._file.change(lambda _: None)
    [entry] = await store.get(b"long")
    free.clear()
    store._file._reader.begin(free.wait)
    async with asyncio.timeout(30):
        with pytest.raises(StoreFailed):
            await entry.read(0, first=True)
        store._timeout = FOREVER
        assert (await store.claims.take()).order is None
        assert not await store.claims.holder(b"lease")
    free.set()
    assert await entry.read(0) == b"x" * PIECE
