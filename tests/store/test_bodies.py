"""Long bodies on their way into a file."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.store.database import Database
from proxy.store.file import File
from proxy.store.parts import PIECE
from proxy.store.sqlite import SqliteStore
from tests.support.sqlite_files import failing
from tests.support.stored import body_of, meta, put

MOST = 4 << 20


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A small one."""
    found = SqliteStore(tmp_path / "store.db", MOST, 0)
    yield found
    await found.close()


def size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.iterdir())


async def test_clients_that_stop_reading_do_not_fill_the_disk(
    store: SqliteStore, tmp_path: Path
) -> None:
    """What has no room is not stored; the one that began first is."""
    claims = [await store.claims.take(b"%d" % number) for number in range(30)]
    writers = [store.put(b"%d" % number, meta(), claim) for number, claim in enumerate(claims)]
    goes_on = [True] * 30
    for _ in range(16):
        for number, writer in enumerate(writers):
            if goes_on[number]:
                goes_on[number] = writer.write(b"x" * (2 * PIECE))
                await store._file.change(lambda _: None)
    assert size(tmp_path) < 1.25 * MOST + 16 * 2 * PIECE + (6 << 20)
    assert goes_on[0]
    assert sum(goes_on) < 5
    writers[0].commit()
    for writer in writers[1:]:
        writer.abort()
    await store._file.change(lambda _: None)
    [entry] = await store.get(b"0")
    assert await body_of(entry) == b"x" * (32 * PIECE)
    for claim in claims:
        assert not await store.claims.holder(claim.name)
    put(store, b"later", b"x" * (8 * PIECE))
    assert await store.get(b"later")


async def test_a_body_that_is_lost_makes_room_for_others_at_once(store: SqliteStore) -> None:
    """Its client may stop reading, so that nobody says that it has ended."""
    first, lost = store.put(b"first", meta()), store.put(b"lost", meta())
    assert lost.write(b"x" * (8 * PIECE))
    lost.abort()
    assert first.write(b"x" * (40 * PIECE))
    lost = store.put(b"lost", meta())
    for _ in range(50):
        if not lost.write(b"x" * PIECE):
            break
        await store._file.change(lambda _: None)
    chunks = "SELECT count(*) FROM chunks WHERE entry = ?"
    [found] = await store._file.read(
        lambda database: database._db.execute(chunks, (lost._ident,)).fetchone()
    )
    assert found == 0
    first.abort()
    later = store.put(b"later", meta())
    assert later.write(b"x" * (40 * PIECE))
    later.commit()
    assert await store.get(b"later")
    lost.abort()


@pytest.mark.parametrize("kind", ["short", "long"])
async def test_what_is_read_goes_last(store: SqliteStore, kind: str) -> None:
    for key, pieces in ((b"read", 3), (b"other", 32)):
        put(store, key, b"x" * (pieces * PIECE))
    [[read], [other]] = [await store.get(key) for key in (b"read", b"other")]
    assert await read.read(0)
    for key in (b"read", b"other"):
        await store.delete(key)
    writer = store.put(b"long", meta())
    number = int.from_bytes(other.ident, "big")
    for turn in range(120):
        if kind == "short":
            put(store, b"%d" % turn, b"x" * 60_000)
        else:
            assert writer.write(b"x" * PIECE)
        await store._file.change(lambda _: None)
        if await store._file.read(lambda database: database.chunk(number, 0)) is None:
            break
    else:
        pytest.fail("nothing was forgotten")
    assert await body_of(read) == b"x" * (3 * PIECE)
    writer.abort()


@pytest.mark.parametrize("end", ["stored", "aborted", "lost"])
async def test_when_the_first_has_ended_another_is_the_first(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    for number in range(3):
        put(store, b"%d" % number, b"x" * (19 * PIECE))
        assert await store.get(b"%d" % number)
    first = store.put(b"first", meta())
    assert first.write(b"x" * (3 * PIECE))
    if end == "stored":
        first.commit()
    elif end == "aborted":
        first.abort()
    else:
        await store._file.change(lambda _: None)
        failing(monkeypatch, Database, "add_chunk", sqlite3.SQLITE_CONSTRAINT)
        first.write(b"x" * (3 * PIECE))
    second = store.put(b"second", meta())
    for _ in range(44):
        assert second.write(b"x" * PIECE)
        await store._file.change(lambda _: None)
    second.commit()
    assert await store.get(b"second")
    if end == "lost":
        first.abort()


async def test_what_could_not_be_dropped_is_dropped_once_the_file_can_be_written(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an hour it took the room of others, so that hardly a long body was stored."""
    writers = [store.put(b"%d" % number, meta()) for number in range(3)]
    for writer in writers:
        assert writer.write(b"x" * (8 * PIECE))
    await store._file.change(lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(File, "write", lambda *_: None)
        assert writers[0].write(b"x" * PIECE)  # is lost
        writers[1].commit()  # and so is this
        writers[2].abort()
        store._file.begin((done := threading.Event()).set)
        await asyncio.to_thread(done.wait)
    put(store, b"later", b"x" * (2 * PIECE))
    assert await store.get(b"later")
    await store._file.change(lambda _: None)
    [found] = await store._file.read(
        lambda database: database._db.execute("SELECT count(DISTINCT entry) FROM chunks").fetchone()
    )
    assert found == 1
    assert not store._bodies._left
