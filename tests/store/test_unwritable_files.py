"""Who waits for a lease in a file that cannot be written, and what is given back later."""

import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.core.stored import LEASE as LEASE_TIME
from proxy.store import file as file_module
from proxy.store import file_claims
from proxy.store.agreements import Agreements
from proxy.store.database import Database
from proxy.store.sqlite import SqliteStore
from tests.support.sqlite_files import ended, failing, set_up, stands
from tests.support.stored import meta

KEY, LEASE = b"k" * 16, b"l" * 16
CODES = [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """One whose file no other process uses."""
    found = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    yield found
    await found.close()


@pytest.mark.parametrize("code", CODES, ids=["full", "bad", "read only"])
@pytest.mark.parametrize("what", ["add_chunk", "add"])
async def test_whatever_keeps_a_reply_from_being_stored_leaves_no_lease(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, code: int, what: str
) -> None:
    """Not the one of the reply, nor others: a file that failed is opened anew for that at once."""
    claims = [await store.claims.take(name) for name in (LEASE, b"other")]
    assert all([await stands(store, claim.name) for claim in claims])
    failing(monkeypatch, Database, what, code)
    written = store.put(KEY, meta(), claims[0])
    written.write(b"x" * 200_000)
    if what == "add":
        written.commit()
    await store._file.change(lambda _: None)
    assert [await stands(store, claim.name) for claim in claims] == [b"", b""]
    later = await store.claims.take(b"later")
    assert (later.token, store._file.is_unwritable()) == (b"", True)


async def test_a_lease_that_was_asked_for_when_something_failed_is_not_taken(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are given back then, and it would come behind that."""
    await store.claims.take()
    failing(monkeypatch, Database, "add_chunk", sqlite3.SQLITE_FULL)
    store.put(KEY, meta()).write(b"x" * 200_000)
    claim = await store.claims.take(LEASE)
    assert (claim.token, await stands(store, LEASE)) == (b"", b"")


async def test_a_reply_of_which_a_part_was_lost_is_given_up_at_its_end(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = await store.claims.take(LEASE)
    failing(monkeypatch, Database, "add_chunk", sqlite3.SQLITE_BUSY)
    monkeypatch.setattr(file_module, "_LOCKED", 0.0)
    written = store.put(KEY, meta(), claim)
    assert written.write(b"x" * 200_000)
    await store._file.change(lambda _: None)
    written.commit()
    await ended(store, LEASE)
    assert not await store.get(KEY)


async def test_a_reply_that_is_lost_for_another_reason_leaves_the_other_leases(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [await store.claims.take(name) for name in (LEASE, b"other")]
    failing(monkeypatch, Database, "add", sqlite3.SQLITE_BUSY)
    monkeypatch.setattr(file_module, "_LOCKED", 0.0)
    written = store.put(KEY, meta(), claims[0])
    assert written.write(b"x")
    written.commit()
    await ended(store, LEASE)
    assert await stands(store, b"other")


async def test_who_waits_for_a_lease_and_cannot_write_waits_for_nobody(
    store: SqliteStore, tmp_path: Path
) -> None:
    """The others cannot say any more that they have ended."""
    other = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    await other.claims.take(LEASE)
    own = await store.claims.take(b"own")
    assert own.token
    await set_up(store, "max_page_count = 1")
    await store.claims.holder(LEASE)
    await store._file.change(lambda _: None)
    assert not await store.claims.holder(LEASE)
    assert store._file.is_unwritable()
    await ended(other, b"own")
    assert await stands(store, LEASE)
    await other.close()


async def test_who_waits_for_a_lease_tries_to_write_now_and_then(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, tries = 1000.0, list[float]()
    usual = Agreements.try_to_write

    def noted(agreements: Agreements, owner: bytes) -> None:
        tries.append(now)
        usual(agreements, owner)

    monkeypatch.setattr(Agreements, "try_to_write", noted)
    monkeypatch.setattr(file_claims, "monotonic", lambda: now)
    other = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    claim = await other.claims.take(LEASE)
    for _ in range(8):
        assert await store.claims.holder(LEASE) == claim.token
        await store._file.change(lambda _: None)
        now += 0.1
    assert len(tries) == 4
    await other.close()


async def test_who_waits_for_a_lease_while_the_file_is_locked_waits_for_nobody(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Who has the lease cannot give it back, nor store anything."""
    second = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    await second.claims.take(LEASE)
    await set_up(store, "busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await store.claims.holder(LEASE)
    await store._file.change(lambda _: None)
    assert not await store.claims.holder(LEASE)
    other.close()
    await second.close()


async def test_who_waits_for_a_lease_waits_on_while_the_disk_is_slow(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries to write once, however long that takes."""
    other = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    claim = await other.claims.take(LEASE)
    now, free = 1000.0, threading.Event()
    monkeypatch.setattr(file_claims, "monotonic", lambda: now)
    store._claims._timeout = 60.0
    store._file.begin(free.wait)
    try:
        for _ in range(5):
            assert await store.claims.holder(LEASE) == claim.token
            now += 1.0
        assert store._file._writer._queue.qsize() <= 2  # with what it waits for
    finally:
        free.set()
    await other.close()


async def test_leases_that_could_not_be_given_back_are_when_there_is_room(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_claims, "_AGAIN", 0.01)
    claims = [await store.claims.take(name) for name in (LEASE, b"other")]
    failing(monkeypatch, Database, "add_chunk", sqlite3.SQLITE_FULL)
    failing(monkeypatch, Agreements, "give_all_back", sqlite3.SQLITE_FULL, times=3)
    failing(monkeypatch, Agreements, "give_back", sqlite3.SQLITE_FULL, times=1000)
    assert store.put(KEY, meta(), claims[0]).write(b"x" * 200_000)
    names = [claim.name for claim in claims]
    for claim in claims:
        store.claims.give_back(claim)
    for name in names:
        await ended(store, name)
    await store._file.change(lambda _: None)
    assert not store._claims._ended


async def test_all_leases_are_given_back_once_a_second_at_the_most(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many replies cannot be stored: each time the file may have to be opened anew."""
    now, given = 1000.0, list[float]()
    monkeypatch.setattr(file_claims, "monotonic", lambda: now)
    monkeypatch.setattr(Agreements, "give_all_back", lambda *_: given.append(now))
    failing(monkeypatch, Database, "add_chunk", sqlite3.SQLITE_FULL, times=1000)
    for number in range(6):
        writer = store.put(b"%d" % number, meta())
        assert writer.write(b"x" * 200_000)
        writer.abort()
        await store._file.change(lambda _: None)
        now += 0.3
    assert len(given) == 2


async def test_a_lease_that_could_not_be_given_back_is_when_the_file_is_free(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_claims, "_AGAIN", 0.01)
    monkeypatch.setattr(file_module, "_LOCKED", 0.0)
    claim, under_way = [await store.claims.take(name) for name in (LEASE, b"other")]
    await set_up(store, "busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.claims.give_back(claim)
    assert await store._file.change(lambda _: True)
    other.execute("ROLLBACK")
    other.close()
    await ended(store, LEASE)
    assert await stands(store, b"other") == under_way.token
    await store._file.change(lambda _: None)
    assert not store._claims._ended


async def test_leases_are_not_given_back_again_when_they_have_run_out(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(file_claims, "monotonic", lambda: now)
    claim = await store.claims.take(LEASE)
    failing(monkeypatch, Agreements, "give_back", sqlite3.SQLITE_BUSY, times=2)
    monkeypatch.setattr(file_module, "_LOCKED", 0.0)
    store.claims.give_back(claim)
    await store._file.change(lambda _: None)
    assert store._claims._ended
    now += LEASE_TIME
    await store._file._writer.call(store._claims._end_again)
    assert not store._claims._ended


async def test_a_lease_that_was_refused_at_once_is_not_given_back(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was asked for."""
    await store.claims.take()
    begun = list[object]()
    monkeypatch.setattr(file_module.File, "begin", lambda _, work: begun.append(work))
    store._claims._timeout = 3600.0
    store._file._writer._is_late = True
    assert not (await store.claims.take(LEASE)).token
    assert not begun


async def test_a_file_that_is_given_back_is_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "store.db", 64 << 20, 0.0)
    claim = await store.claims.take(LEASE)
    failing(monkeypatch, Agreements, "give_back", sqlite3.SQLITE_FULL)
    store.claims.give_back(claim)
    await store._file.change(lambda _: None)
    again = store._claims._again
    assert again is not None
    await store.close()
    assert again.cancelled()
    store._claims._again = None
    store._claims._try_later()  # which the thread may have asked for meanwhile
    assert store._claims._again is None
