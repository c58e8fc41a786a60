"""How much a file holds, as all its processes see it."""

import sqlite3
from pathlib import Path

import pytest

from proxy.store.database import Database
from tests.support.sqlite_files import add

OVERHEAD = 512
"""Bytes that an entry costs beyond its head and its body."""


def test_what_an_earlier_version_did_beside_it_is_counted_by_the_next_sweep(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    for number in range(3):
        add(database, number, 10)
    database._db.execute("UPDATE totals SET entries = 1, bytes = 1")
    for number in range(3):
        database.remove(number)
    assert (database.totals.entries, database.totals.bytes) == (0, 0)
    add(database, 4, 10)
    database.sweep()
    assert (database.totals.entries, database.totals.bytes) == (1, 10 + OVERHEAD)
    database.close()


def test_a_file_without_totals_gets_them(tmp_path: Path) -> None:
    old = Database(tmp_path / "a.db")
    add(old, 1, 10)
    old._db.execute("DROP TABLE totals")
    old.close()
    new = Database(tmp_path / "a.db")
    add(new, 2, 10)
    assert (new.totals.entries, new.totals.bytes) == (2, 2 * (10 + OVERHEAD))
    new.close()


@pytest.mark.parametrize("damage", ["DELETE FROM totals", "UPDATE totals SET bytes = 'x'"])
def test_totals_that_are_none_are_damage(tmp_path: Path, damage: str) -> None:
    database = Database(tmp_path / "a.db")
    database._db.execute(damage)
    with pytest.raises(sqlite3.DatabaseError):
        database.totals.read()
    with pytest.raises(sqlite3.DatabaseError):
        database.sweep()
    database.close()
