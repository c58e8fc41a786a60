"""Whose a file is: a store of ours, damaged or not, or something else."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from proxy.core.stored import StoreFailed
from proxy.store import file as file_module
from proxy.store import ownership, tables
from proxy.store.database import Database
from proxy.store.ownership import NotOurs, is_foreign, start_of, take_over
from proxy.store.sqlite import SqliteStore
from proxy.store.tables import APPLICATION
from tests.support.sqlite_files import set_aside, told_by
from tests.support.stored import body_of, put

HEAD = 100
PAGE = 4096


def database(*statements: str) -> Callable[[Path], None]:
    """Somebody else's."""
    return told_by(";".join(statements))


def locked_log(path: Path) -> None:
    """What a program leaves that was killed: all it has written is in the log beside the file."""
    work = path.with_name("work.db")
    db = sqlite3.connect(work)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE customers (name)")
    path.write_bytes(work.read_bytes())
    path.with_name("store.db-wal").write_bytes(work.with_name("work.db-wal").read_bytes())
    db.close()
    work.unlink()


def other_database() -> bytes:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE customers (name)")
        return db.serialize()


def holds(data: bytes) -> Callable[[Path], None]:
    """A file that is no database, or no whole one."""

    def make(path: Path) -> None:
        path.write_bytes(data)

    return make


def linked_log(path: Path) -> None:
    """The same, by a link from elsewhere."""
    folder = path.with_name("real")
    folder.mkdir()
    locked_log(folder / "store.db")
    path.symlink_to(folder / "store.db")


def dump(path: Path) -> None:
    """A store of ours as text."""
    Database(path).close()
    db = sqlite3.connect(path)
    text = "\n".join(db.iterdump())
    db.close()
    path.unlink()
    path.write_text(text, encoding="utf-8")


OTHERS: dict[str, Callable[[Path], None]] = {
    "text": holds(b"notes of many years\n" * 400),
    "short": holds(b"x"),
    "noise": holds(os.urandom(9000)),
    "tables": database("CREATE TABLE customers (name)", "INSERT INTO customers VALUES ('A')"),
    "our version": database("CREATE TABLE customers (name)", "PRAGMA user_version = 2"),
    "our names": database("CREATE TABLE entries (id)", "CREATE TABLE labels (entry, label)"),
    "no tables": database("PRAGMA application_id = 7"),
    "damaged": holds(b"SQLite format 3\0" + os.urandom(9000)),
    "log": locked_log,
    "log by a link": linked_log,
    "dump": dump,
    "source": holds(Path(tables.__file__).read_bytes()),
    "pipe": os.mkfifo,
}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize("made", OTHERS.values(), ids=OTHERS)
async def test_what_is_something_else_is_left_alone(
    made: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "store.db"
    made(path)
    before = bytes_of(tmp_path)
    assert is_foreign(path)
    store = SqliteStore(path, 64 << 20, 0)
    put(store, b"k", b"new")
    assert not await store.get(b"k")
    await store.close()
    assert bytes_of(tmp_path) == before
    assert set_aside(tmp_path) == []
    assert "is not a store of sidecar-proxy" in caplog.text


async def test_it_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(file_module, "monotonic", lambda: now)
    path = tmp_path / "store.db"
    path.write_bytes(b"notes")
    store = SqliteStore(path, 64 << 20, 0)
    assert not await store.get(b"k")
    path.unlink()
    now += file_module.REST
    put(store, b"k", b"new")
    assert [await body_of(found) for found in await store.get(b"k")] == [b"new"]
    await store.close()


def without_number(data: bytes) -> bytes:
    """As versions left it that wrote no number into the head."""
    return data[:68] + bytes(4) + data[72:]


@pytest.mark.parametrize(
    "left",
    [
        lambda data: data,
        lambda data: b"",
        without_number,
        lambda data: without_number(data)[:PAGE],
        lambda data: os.urandom(HEAD) + data[HEAD:],
        lambda data: data[:HEAD] + os.urandom(len(data) - HEAD),
        lambda data: data[:HEAD],
        lambda data: without_number(data)[: 2 * PAGE] + os.urandom(9000),
    ],
)
def test_a_store_of_ours_is_known_by_what_is_left_of_it(
    left: Callable[[bytes], bytes], good: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(left(good))
    assert not is_foreign(path)
    take_over(path)


def test_what_was_not_written_yet_is_in_the_log(tmp_path: Path) -> None:
    """The process was killed before anything of it was copied into the file itself."""
    kept = Database(tmp_path / "a.db")
    path = tmp_path / "store.db"
    path.write_bytes((tmp_path / "a.db").read_bytes())
    path.with_name("store.db-wal").write_bytes((tmp_path / "a.db-wal").read_bytes())
    kept.close()
    assert not is_foreign(path)
    path.write_bytes(os.urandom(PAGE))
    assert not is_foreign(path)


def test_one_that_is_being_made_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is there, empty, a moment before its tables are in the log."""
    path, log = tmp_path / "store.db", tmp_path / "store.db-wal"
    made = Database(tmp_path / "a.db")
    path.write_bytes((tmp_path / "a.db").read_bytes())
    whole = (tmp_path / "a.db-wal").read_bytes()
    made.close()
    log.write_bytes(whole[:32])
    monkeypatch.setattr("time.sleep", lambda _: log.write_bytes(whole))
    assert not is_foreign(path)
    log.write_bytes(whole[:32])
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert is_foreign(path), "nobody goes on with it"


def test_a_file_of_an_earlier_version_gets_the_number(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(without_number(good))
    Database(path).close()
    assert path.read_bytes()[68:72] == APPLICATION.to_bytes(4, "big")
    assert set_aside(tmp_path) == []


def test_a_file_that_cannot_be_looked_at_is_nobodys(tmp_path: Path) -> None:
    assert not is_foreign(tmp_path / "none")
    assert not is_foreign(tmp_path / "none" / "a.db")
    assert not is_foreign(Path("a\0b"))
    assert not is_foreign(tmp_path)


@pytest.mark.parametrize(("written", "files"), [(lambda: os.urandom(9000), 1), (other_database, 0)])
async def test_what_this_process_has_used_is_damaged_if_it_is_no_database(
    written: Callable[[], bytes], files: int, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path, 64 << 20, 0)
    put(store, b"k", b"1")
    assert await store.get(b"k")
    await store.close()
    path.write_bytes(written())
    store = SqliteStore(path, 64 << 20, 0)
    await store.get(b"k")
    await store.close()
    assert len(set_aside(tmp_path)) == files


def locks(path: Path) -> int:
    inode = f":{path.stat().st_ino} "
    lines = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    return sum(inode in line for line in lines)


@pytest.mark.parametrize("slashes", ["/", "//", "///"])
def test_a_look_at_what_is_open_leaves_its_locks(slashes: str, tmp_path: Path) -> None:
    """``url = "sqlite://tmp/store.db"``."""
    path = Path(slashes + str(tmp_path / "store.db").lstrip("/"))
    kept = Database(path)
    kept.totals.difference()
    held = locks(path)
    assert held
    assert not is_foreign(path)
    take_over(path)
    assert locks(path) == held
    kept.close()


def test_a_look_at_what_is_open_and_damaged_leaves_its_locks(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    kept = Database(path)
    kept.totals.difference()
    held = locks(path)
    with path.open("rb+") as file:
        file.write(os.urandom(PAGE))
        file.flush()
        kept.totals.difference()  # from the log, and what was closed in between is locked again
        before = locks(path)
        assert not is_foreign(path)
        assert locks(path) == before == held
    kept.close()


def test_what_is_open_is_known_until_its_last_connection_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    one, other = Database(path), Database(path)
    one.close()
    assert [len(start_of(path, 16)) for _ in range(3)] == [16] * 3
    assert len(ownership._kept) == 1
    other.close()
    assert not ownership._kept
    assert start_of(path, 6) == b"SQLite"
    assert not ownership._kept


def test_links_that_go_in_a_circle_are_nobodys(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.symlink_to(path)
    assert not is_foreign(path)


def test_the_look_leaves_the_locks_of_this_process(tmp_path: Path) -> None:
    """Closing a descriptor of our own would give back those of all connections (fcntl(2))."""
    path = tmp_path / "store.db"
    told_by("PRAGMA journal_mode = WAL; CREATE TABLE customers (name)")(path)
    db = sqlite3.connect(path)
    db.execute("SELECT * FROM customers").fetchall()

    held = locks(path)
    assert held
    assert is_foreign(path)
    with pytest.raises(NotOurs):
        take_over(path)
    assert locks(path) == held
    db.close()


async def test_another_program_that_takes_the_place_keeps_it(tmp_path: Path) -> None:
    """While the store has it open: its file is renamed by nobody."""
    path = tmp_path / "store.db"
    store = SqliteStore(path, 64 << 20, 0)
    put(store, b"k", b"1")
    assert await store.get(b"k")
    place = tmp_path / "other"
    place.write_bytes(other_database())
    place.rename(path)
    for _ in range(3):
        put(store, b"k", b"2")
        with pytest.raises(StoreFailed):
            await store._file.read(lambda db: db.find(b"k"))
    await store.close()
    assert path.read_bytes() == other_database()
    assert set_aside(tmp_path) == []
