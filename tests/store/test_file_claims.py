"""Leases in a file that cannot be written."""

import math
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.core.stored import Claim
from proxy.store import file_claims
from proxy.store.sqlite import SqliteStore
from tests.support.sqlite_files import set_up, stands
from tests.support.stored import meta, put

KEY, LEASE = b"k" * 16, b"l" * 16


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """One whose file no other process uses."""
    found = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    yield found
    await found.close()


@pytest.mark.parametrize("size", [1_000, 200_000], ids=["short", "long"])
async def test_a_reply_for_which_there_is_no_room_gives_its_lease_back(
    store: SqliteStore, size: int
) -> None:
    claim = await store.claims.take(LEASE)
    await set_up(store, "max_page_count = 1")  # as many as it has
    written = store.put(KEY, meta(fields=[(b"X", b"x" * 60_000)]), claim)
    assert written.write(b"x" * size)
    written.commit()
    await store._file.change(lambda _: None)
    await store._file.change(lambda _: None)
    assert not await store.get(KEY)
    assert not await store.claims.holder(LEASE)
    assert store._file.is_unwritable()
    assert not await stands(store, LEASE)
    store._file._unwritable_until = 0.0
    assert (await store.claims.take(LEASE)).token


@pytest.mark.parametrize("size", [1_000, 200_000], ids=["short", "long"])
async def test_nobody_waits_for_a_process_that_could_not_store_something(
    store: SqliteStore, tmp_path: Path, size: int
) -> None:
    """It may not be able to give a lease back later, so it gives back all and takes no other."""
    under_way = await store.claims.take(b"other")
    claim = await store.claims.take(LEASE)
    assert under_way.token
    await set_up(store, "max_page_count = 1")
    written = store.put(KEY, meta(fields=[(b"X", b"x" * 60_000)]), claim)
    assert written.write(b"x" * size)
    if size < 100_000:
        written.commit()
    await store._file.change(lambda _: None)
    waiting = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    for name in (b"other", LEASE):
        assert not await waiting.claims.holder(name)
    without = await store.claims.take(b"later")
    assert (without.token, without.held_by) == (b"", b"")
    assert without.order is not None
    await waiting.close()


async def test_who_could_not_store_something_waits_for_nobody(
    store: SqliteStore, tmp_path: Path
) -> None:
    """The others have no room either, and may be unable to say that they have ended."""
    other = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    token = (await other.claims.take(LEASE)).token
    assert token == await store.claims.holder(LEASE)
    await set_up(store, "max_page_count = 1")
    put(store, KEY, b"x" * 200_000)
    await store._file.change(lambda _: None)
    assert not await store.claims.holder(LEASE)
    assert not (await store.claims.take(LEASE)).held_by
    store._file._unwritable_until = 0.0
    assert token == await store.claims.holder(LEASE)  # it is another one's, and is left alone
    await other.close()


def stores(store: SqliteStore, claim: Claim) -> None:
    written = store.put(KEY, meta(), claim)
    assert written.write(b"x")
    written.commit()


def gives_up(store: SqliteStore, claim: Claim) -> None:
    store.put(KEY, meta(), claim).abort()


@pytest.mark.parametrize("end", [stores, gives_up])
async def test_a_lease_that_cannot_be_given_back_holds_up_nobody_here(
    store: SqliteStore, tmp_path: Path, end: Callable[[SqliteStore, Claim], None]
) -> None:
    claim = await store.claims.take(LEASE)
    token = claim.token
    await set_up(store, "busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    end(store, claim)
    for _ in range(2):  # what was begun, and what that has begun
        assert await store._file.change(lambda _: True) is None
    store._claims._try_at = math.inf  # else nobody is waited for in any case
    assert not await store.claims.holder(LEASE)
    assert other.execute("SELECT token FROM leases").fetchone() == (token,)
    other.execute("ROLLBACK")
    other.close()
    store._file._locked_until = 0.0
    second = await store.claims.take(LEASE)
    assert second.token
    assert await store.claims.holder(LEASE) == second.token


async def test_who_cannot_write_waits_for_nobody_for_a_second(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_claims, "monotonic", lambda: 100.0)
    assert not await store.claims.holder(LEASE)
    await store._file.change(lambda _: None)
    assert (store._claims._can_write, store._claims._try_at) == (True, 100.2)
    await set_up(store, "busy_timeout = 0")
    locking = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    store._file.begin(store._claims._try_to_write)
    await store._file.change(lambda _: None)
    assert (store._claims._can_write, store._claims._try_at) == (False, 101.0)
    locking.close()


async def test_a_disk_that_is_slow_after_that_is_no_reason_not_to_wait(
    store: SqliteStore, tmp_path: Path
) -> None:
    other = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    token = (await other.claims.take(LEASE)).token
    assert token == await store.claims.holder(LEASE)
    await store._file.change(lambda _: None)
    store._claims._can_write, store._claims._try_at = False, 0.0  # the second is over
    go_on = threading.Event()
    store._file.begin(go_on.wait)
    try:
        for _ in range(2):  # it is tried, and is under way
            assert token == await store.claims.holder(LEASE)
    finally:
        go_on.set()
        await other.close()
