"""All of a change, or nothing."""

import sqlite3
from pathlib import Path

import pytest

from proxy.store.database import Database
from proxy.store.transaction import Transaction
from tests.support.sqlite_files import add


def test_a_change_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    add(database, 1, 10)

    def change() -> None:
        with Transaction(database._db, database.totals):
            database._db.execute("DELETE FROM entries")
            database.totals.entries = 0
            raise sqlite3.DatabaseError("cut")

    with pytest.raises(sqlite3.DatabaseError, match="cut"):
        change()
    assert database.totals.difference()[:2] == (0, 0)
    add(database, 2, 10)
    assert database.totals.entries == 2
    database.close()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM totals; UPDATE entries SET cost = 'much'",
        "CREATE TRIGGER t BEFORE UPDATE ON totals BEGIN SELECT raise(FAIL, 'full'); END",
    ],
    ids=["read", "write"],
)
def test_one_whose_totals_fail_leaves_nothing_begun(tmp_path: Path, damage: str) -> None:
    database = Database(tmp_path / "a.db")
    add(database, 0, 10)
    database._db.executescript(damage)
    with pytest.raises(sqlite3.DatabaseError):
        add(database, 1, 10)
    assert not database._db.in_transaction
    assert not database.find(b"1")
    database.close()
