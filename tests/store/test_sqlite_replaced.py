"""A file of SQLite that is set aside while it is used, or may not be written for a while."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.core.stored import StoreFailed
from proxy.store import aside
from proxy.store import file as file_module
from proxy.store.parts import PIECE
from proxy.store.sqlite import SqliteStore
from tests.support.sqlite_files import LONG, set_aside, told_by
from tests.support.stored import body_of, meta, put


@pytest.fixture
def rest(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the time pass after which a file is tried again; otherwise it stands still."""
    moments = [1000.0]
    monkeypatch.setattr(file_module, "monotonic", lambda: moments[-1])
    return lambda: moments.append(moments[-1] + file_module.REST)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR])
async def test_a_file_that_may_not_be_written_for_a_while_is_not_damaged(
    code: int, good: bytes, tmp_path: Path, rest: Callable[[], None]
) -> None:
    """Its connection is opened anew: it would stay one that only reads."""
    path = tmp_path / "store.db"
    path.write_bytes(good)
    store = SqliteStore(path, 64 << 20, 0)

    def refused(_: object) -> bool:
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = code
        raise error

    assert await store.get(b"1")
    assert await store._file.change(refused) is None
    assert store._file.writing is None
    assert await store.get(b"1"), "what is open is read"
    with pytest.raises(StoreFailed):
        await store._file.read(refused)
    assert store._file._reading is None
    rest()
    put(store, b"new", b"z")
    assert await store.get(b"new")
    assert await store.get(b"1")
    assert set_aside(tmp_path) == []
    await store.close()


async def test_other_processes_notice_that_a_file_was_set_aside(
    good: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(good)
    one, other = SqliteStore(path, 64 << 20, 0), SqliteStore(path, 64 << 20, 0)
    for store in (one, other):
        put(store, b"mine", b"1")
        assert await store.get(b"1")
    told_by("UPDATE chunks SET data = x'00'")(path)
    [long] = await one.get(b"long")
    with pytest.raises(StoreFailed):
        await long.read(0)
    await one._file.change(lambda _: None)
    assert len(set_aside(tmp_path)) == 1
    assert not await other.get(b"1"), "what one removes now, the other would not see"
    put(other, b"new", b"z")
    assert await other.get(b"new")
    assert await one.get(b"new")
    await one.close()
    await other.close()


def renamed(path: Path) -> None:
    """What another process does with a file that it has found damaged."""
    aside.set_aside(path, 1.0)


async def test_what_was_invalidated_in_the_file_before_is_not_stored_in_the_new_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    one, other = SqliteStore(path, 64 << 20, 0), SqliteStore(path, 64 << 20, 0)
    claims = [await one.claims.take(b"lease%d" % number) for number in range(2)]
    await other.delete(b"k0")
    renamed(path)
    await other.delete(b"k1")
    for number, claim in enumerate(claims):
        writer = one.put(b"k%d" % number, meta(), claim)
        writer.write(b"old")
        writer.commit()
    for number in range(2):
        assert not await one.get(b"k%d" % number)
        assert not await other.get(b"k%d" % number)
    await one.close()
    await other.close()


@pytest.mark.parametrize("before", [1, 2, 3])
async def test_an_entry_whose_parts_are_in_the_file_before_is_none(
    before: int, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path, 64 << 20, 0)
    writer = store.put(b"k", meta())
    for number in range(4):
        assert writer.write(b"x" * PIECE)
        if number == before:
            await store._file.change(lambda _: None)
            renamed(path)
    writer.commit()
    assert not await store.get(b"k")
    put(store, b"k", LONG)
    assert [await body_of(found) for found in await store.get(b"k")] == [LONG]
    await store.close()


async def test_files_are_not_set_aside_one_after_another(
    good: bytes, tmp_path: Path, rest: Callable[[], None]
) -> None:
    """By a disk that gives other bytes each time, or two versions of the proxy on one file."""
    path = tmp_path / "store.db"
    path.write_bytes(good)
    store = SqliteStore(path, 64 << 20, 0)

    def damaged(_: object) -> bool:
        raise sqlite3.DatabaseError("database disk image is malformed")

    for expected in (1, 2):
        for _ in range(20):
            assert await store._file.change(damaged) is None
        assert len(set_aside(tmp_path)) == expected
        rest()
    put(store, b"k", b"z")
    assert await store.get(b"k")
    await store.close()
