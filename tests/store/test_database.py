"""The tables of the store in a file."""

from pathlib import Path

import pytest

from proxy.store.database import Database, Row, new_ident
from proxy.store.totals import Totals
from tests.support.sqlite_files import add

NOW = 1_700_000_000.0


def rows(database: Database, table: str) -> int:
    return int(database._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_idents_grow_with_time() -> None:
    assert new_ident(NOW) < new_ident(NOW + 0.001) < 2**63


def test_chunks_of_what_was_removed_stay_for_a_while(tmp_path: Path) -> None:
    now = NOW
    database = Database(tmp_path / "a.db", lambda: now)
    ident = new_ident(NOW)
    database.add_chunk(ident, 0, b"x")
    database.add(b"k", Row(ident, b"", 1, False, None), [b"l"], [], max_size=0)
    database.delete_all(b"k")
    assert database.find(b"k") == []
    assert database.chunk(ident, 0) == b"x"
    database.sweep()
    assert database.chunk(ident, 0) == b"x"
    now += 700
    database.sweep()
    assert database.chunk(ident, 0) is None
    assert [rows(database, each) for each in ("entries", "chunks", "labels", "gone")] == [0] * 4
    database.close()


def test_chunks_of_a_process_that_died_are_swept(tmp_path: Path) -> None:
    now = NOW
    database = Database(tmp_path / "a.db", lambda: now)
    dead, alive = new_ident(NOW), new_ident(NOW + 5000)
    database.add_chunk(dead, 0, b"x")
    database.add_chunk(alive, 0, b"x")
    now += 5000
    database.sweep()
    assert database.chunk(dead, 0) is None
    assert database.chunk(alive, 0) == b"x"
    database.close()


def test_what_others_have_stored_is_counted(tmp_path: Path) -> None:
    one, two = Database(tmp_path / "a.db"), Database(tmp_path / "a.db")
    for number in range(3):
        add(one, number, 10)
    add(two, 3, 10)
    two.remove(0)
    assert two.totals.entries == 3 == rows(two, "entries")
    one.remove(0)  # is gone
    assert (two.totals.entries, two.totals.bytes) == (one.totals.entries, one.totals.bytes)
    assert one.totals.difference()[:2] == (0, 0)
    assert two.clear() == 3
    add(one, 9, 10)
    assert one.totals.entries == 1
    one.close()
    two.close()


def test_what_is_too_much_gives_way_once_and_not_for_each_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Totals, "count")  # nobody looks at all entries for that
    databases = [Database(tmp_path / "a.db") for _ in range(4)]
    for number in range(80):
        add(databases[number % 4], number, 9_488, max_size=100_000)  # 10,000 with what it costs
        if number % 20 == 19:
            for each in databases:
                each.sweep()
    assert rows(databases[0], "entries") == 10
    assert sum(each.evicted for each in databases) == 70
    for each in databases:
        each.close()


def test_variants_of_one_key_are_bounded(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    for number in range(70):
        database.add(b"k", Row(number, b"", 1, False, b"x"), [], [], max_size=0)
    found = [row.ident for row in database.find(b"k")]
    assert found == list(range(69, 5, -1))
    database.close()


def test_of_those_that_were_asked_for_again_a_fifth_is_on_trial(tmp_path: Path) -> None:
    """Else nothing new could stay, once all of them had been."""
    database = Database(tmp_path / "a.db")
    for number in range(10):
        add(database, number, 10)
    database.use({number: NOW + number for number in range(10)}, set(range(10)))
    kept = [row.kept for number in range(10) for row in database.find(b"%d" % number)]
    assert kept == [False] * 2 + [True] * 8
    database.close()
