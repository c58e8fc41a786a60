"""How much a file holds, as all its processes see it."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from proxy.store.database import Database
from proxy.store.totals import Difference, Totals
from tests.support.sqlite_files import add

OVERHEAD = 512
"""Bytes that an entry costs beyond its head and its body."""
ONE = 10 + OVERHEAD
"""Bytes of an entry of these tests."""


def row(database: Database) -> tuple[int, int]:
    entries, size = database._db.execute("SELECT entries, bytes FROM totals").fetchone()
    return entries, size


def holding(path: Path, number: int) -> Database:
    database = Database(path)
    for each in range(number):
        add(database, each, 10)
    return database


def drifted(database: Database, entries: int) -> None:
    """So many were stored by an earlier version, which does not count them; or removed."""
    database._db.execute(
        "UPDATE totals SET entries = entries - ?, bytes = bytes - ?", (entries, entries * ONE)
    )


@pytest.mark.parametrize("entries", [2, -2])
def test_what_an_earlier_version_did_beside_it_is_counted_by_the_next_sweep(
    tmp_path: Path, entries: int
) -> None:
    database = holding(tmp_path / "a.db", 3)
    drifted(database, entries)
    add(database, 3, 10)
    assert row(database) == (4 - entries, (4 - entries) * ONE)
    database.sweep()
    assert row(database) == (database.totals.entries, database.totals.bytes) == (4, 4 * ONE)
    database.close()


def test_what_processes_find_at_the_same_time_is_put_right_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases = [holding(tmp_path / "a.db", 3), *(Database(tmp_path / "a.db") for _ in range(3))]
    drifted(databases[0], 2)
    all_have_looked, look = Barrier(4), Totals.difference

    def looks(totals: Totals) -> Difference:
        found = look(totals)
        all_have_looked.wait(60)
        return found

    monkeypatch.setattr(Totals, "difference", looks)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(Database.sweep, databases))
    assert row(databases[0]) == (3, 3 * ONE)
    for each in databases:
        each.close()


@pytest.mark.parametrize(
    "meanwhile", ["stored", "removed", "cleared", "more than was counted", "repaired"]
)
def test_what_others_do_between_the_look_and_the_correction_counts(
    tmp_path: Path, meanwhile: str
) -> None:
    one, two = holding(tmp_path / "a.db", 3), Database(tmp_path / "a.db")
    one.sweep()
    drifted(one, 2)
    found = one.totals.look()
    if meanwhile == "stored":
        add(two, 9, 10)
    elif meanwhile == "cleared":
        assert two.clear() == 3
    elif meanwhile == "repaired":
        two._db.execute("UPDATE totals SET bytes = -1")
        add(two, 9, 10)
    else:
        for number in range(1 if meanwhile == "removed" else 2):
            two.remove(number)
        assert min(row(two)) >= 0
    with one._change():
        one.totals.apply(found)
    left = {"stored": 4, "removed": 2, "cleared": 0, "repaired": 4}.get(meanwhile, 1)
    assert row(one) == (left, left * ONE)
    one.close()
    two.close()


def test_one_process_looks_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    databases = [holding(tmp_path / "a.db", 3), *(Database(tmp_path / "a.db") for _ in range(3))]
    looks, look = [], Totals.difference

    def counted(totals: Totals) -> Difference:
        looks.append(totals)
        return look(totals)

    monkeypatch.setattr(Totals, "difference", counted)
    for turn in range(6):
        drifted(databases[0], 1)
        looks.clear()
        for each in databases if turn < 3 else databases[2:]:  # two of them end
            each.sweep()
        assert looks == ([each.totals for each in databases] if not turn else looks[:1])
        assert looks or turn == 3  # the one that looked for all has ended: one sweep later
    assert row(databases[2]) == (3, 3 * ONE)
    for each in databases:
        each.close()


def test_a_file_without_totals_gets_them(tmp_path: Path) -> None:
    old = Database(tmp_path / "a.db")
    add(old, 1, 10)
    old._db.execute("DROP TABLE totals")
    old.close()
    new = Database(tmp_path / "a.db")
    add(new, 2, 10)
    assert (new.totals.entries, new.totals.bytes) == (2, 2 * (10 + OVERHEAD))
    new.close()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM totals",
        "UPDATE totals SET bytes = 'x'",
        "UPDATE totals SET bytes = -1",
        "UPDATE totals SET entries = -1",
        "UPDATE totals SET corrections = 'x'",
        "UPDATE totals SET corrections = -5",
    ],
)
@pytest.mark.parametrize("sweeps", [True, False])
def test_totals_that_cannot_be_true_are_worked_out_again(
    tmp_path: Path, damage: str, *, sweeps: bool
) -> None:
    database = holding(tmp_path / "a.db", 3)
    database._db.execute(damage)
    if sweeps:
        database.sweep()
    else:
        add(database, 3, 10, max_size=1 << 20)
    left = 3 if sweeps else 4
    assert row(database) == (left, left * ONE)
    assert database.totals.difference()[:2] == (0, 0)
    database.close()


def test_a_row_that_says_too_much_drives_nothing_out(tmp_path: Path) -> None:
    database = holding(tmp_path / "a.db", 3)
    database._db.execute("UPDATE totals SET bytes = bytes | (1 << 40)")
    add(database, 3, 10, max_size=1 << 20)
    assert database.evicted == 0
    assert row(database) == (4, 4 * ONE)
    database.close()


def test_what_has_driven_all_out_says_that_there_is_nothing(tmp_path: Path) -> None:
    now = 1_700_000_000.0
    database = Database(tmp_path / "a.db", lambda: now)
    for turn in range(2):  # another process takes more than this one: it is not counted each time
        database._db.execute("UPDATE totals SET entries = 7, bytes = 1 << 40")
        add(database, turn, 10, max_size=1 << 20)
    assert row(database) == (0, 0)
    add(database, 2, 10, max_size=1 << 20)
    assert row(database) == (1, ONE)
    now += 60
    database._db.execute("UPDATE totals SET bytes = 1 << 40")
    add(database, 3, 10, max_size=1 << 20)
    assert row(database) == (2, 2 * ONE)
    database.close()


def test_a_damaged_entry_cannot_be_counted(tmp_path: Path) -> None:
    database = holding(tmp_path / "a.db", 1)
    database._db.execute("UPDATE entries SET cost = 'much'")
    with pytest.raises(sqlite3.DatabaseError):
        database.sweep()
    database.close()


def test_how_many_were_removed_is_counted(tmp_path: Path) -> None:
    database = holding(tmp_path / "a.db", 3)
    drifted(database, 2)
    assert database.clear() == 3
    assert row(database) == (0, 0)
    database.close()
