"""How a file of SQLite is made ready."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from proxy.store.tables import VERSION, prepare


def opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def test_a_file_is_made_ready_once(tmp_path: Path) -> None:
    for _ in range(2):
        db = opened(tmp_path / "a.db")
        prepare(db)
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        assert {"entries", "chunks", "labels", "gone", "changes", "leases"} <= names
        db.close()


def test_the_tables_of_another_version_are_left_alone(tmp_path: Path) -> None:
    db = opened(tmp_path / "a.db")
    db.execute("CREATE TABLE entries (id)")
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(sqlite3.DatabaseError, match=f"version {VERSION + 1}"):
        prepare(db)
    assert not db.in_transaction
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
    db.close()


def test_one_that_is_ready_can_be_opened_while_another_process_writes(tmp_path: Path) -> None:
    other = opened(tmp_path / "a.db")
    prepare(other)
    other.execute("BEGIN IMMEDIATE")
    db = sqlite3.connect(tmp_path / "a.db", timeout=0, isolation_level=None)
    prepare(db)
    assert db.execute("SELECT count(*) FROM entries").fetchone() == (0,)
    db.close()
    other.close()


def test_who_begins_a_file_together_waits_for_one_another(tmp_path: Path) -> None:
    """SQLite itself refuses some of them at once, whatever its timeout."""

    def begin(path: Path) -> None:
        db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        prepare(db)
        db.close()

    with ThreadPoolExecutor(6) as threads:
        for number in range(30):
            path = tmp_path / f"{number}.db"
            for begun in [threads.submit(begin, path) for _ in range(6)]:
                begun.result()


class Held(sqlite3.Connection):
    """One that others refuse a few times at first, as they do at random."""

    refusals = 3
    code = sqlite3.SQLITE_BUSY

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        """As SQLite does it, which waits for no lock when it goes over to a log."""
        if "journal_mode" in sql and self.refusals:
            self.refusals -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = self.code
            raise error
        return super().execute(sql, *given)


def test_a_lock_that_sqlite_does_not_wait_for_is_waited_for(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "a.db", isolation_level=None, factory=Held)
    prepare(db)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.refusals, db.code = 1, sqlite3.SQLITE_IOERR
    with pytest.raises(sqlite3.OperationalError):
        prepare(db)
    db.close()
