"""What was removed from a file takes no more room than what may be stored, and a part of that."""

import time
from pathlib import Path

import pytest

from proxy.store import recent_entries
from proxy.store.database import Database, Row, new_ident
from proxy.store.parts import PIECE
from proxy.store.recent_entries import RecentEntries

NOW = 1_700_000_000.0
MOST = 8 << 20
UNDER_WAY = new_ident(time.time())


def replace(
    database: Database,
    number: int,
    old: int | None,
    read_at: dict[int, float] | None = None,
    *,
    pieces: int = 8,
    max_size: int = MOST,
) -> None:
    """Store a body in the place of another one."""
    for place in range(pieces):
        database.add_chunk(number, place, bytes(PIECE))
    row = Row(number, b"", pieces * PIECE, kept=False, body=None)
    replaces = [] if old is None else [old]
    database.add(b"k", row, [], replaces, max_size=max_size, read_at=read_at or {})


def held(database: Database, number: int) -> bool:
    return database.chunk(number, 0) is not None


def size(path: Path) -> int:
    return sum(each.stat().st_size for each in path.parent.iterdir())


def test_a_reply_that_is_replaced_again_and_again_does_not_fill_the_disk(path: Path) -> None:
    database = Database(path)
    for number in range(1, 100):  # 50 MiB
        replace(database, number, number - 1)
    assert [row.ident for row in database.find(b"k")] == [99]
    assert all(held(database, number) for number in range(90, 100))  # what fits stays
    assert not held(database, 80)
    assert size(path) < 1.5 * MOST + (5 << 20)  # with its log
    database.close()


def test_what_other_processes_have_removed_counts(path: Path) -> None:
    databases = [Database(path) for _ in range(4)]
    for number in range(1, 100):
        replace(databases[number % 4], number, number - 1)
    assert size(path) < 1.5 * MOST + (5 << 20)
    for each in databases:
        each.close()


def test_what_was_removed_first_goes_first_but_before_what_is_read(path: Path) -> None:
    database = Database(path)
    read_at = {1: NOW}
    for number in range(1, 100):
        replace(database, number, number - 1, read_at)
    assert held(database, 1)
    assert not held(database, 2)
    database.close()


def test_one_of_the_longest_stays_whatever_its_share(path: Path) -> None:
    """Else who reads a reply that is almost as long as ``max_size`` is cut by the next one."""
    database = Database(path)
    replace(database, 1, None, pieces=120)
    replace(database, 2, 1, pieces=120)
    assert held(database, 1)
    replace(database, 3, 2, pieces=120)
    assert not held(database, 1)
    assert held(database, 2)
    database.close()


def test_pages_that_are_not_full_cut_nobody(path: Path) -> None:
    """Entries of which one fills half a page take more than they cost."""
    database = Database(path)
    most = 4 << 20
    for number in range(1000, 3000):
        body = bytes(2100)
        database.add(b"%d" % number, Row(number, b"", 2100, False, body), [], [], max_size=most)
    database.sweep()
    replace(database, 1, None, pieces=2, max_size=most)
    replace(database, 2, 1, pieces=2, max_size=most)
    assert held(database, 1)
    database.close()


def test_what_all_had_is_forgotten_bit_by_bit(path: Path) -> None:
    """Nobody waits while all chunks of a file go."""
    database = Database(path)
    for number in range(1, 17):
        for place in range(8):
            database.add_chunk(number, place, bytes(PIECE))
        row = Row(number, b"", 8 * PIECE, kept=False, body=None)
        database.add(b"%d" % number, row, [], [], max_size=0)
    database.clear()
    replace(database, 20, None)
    assert sum(held(database, number) for number in range(1, 17)) > 10
    database.close()


def test_what_was_removed_does_not_raise_the_bound(path: Path) -> None:
    """Nor does what is on its way: a sweep, each minute, looks at what nobody has."""
    database = Database(path)
    sizes, place = list[int](), 0
    for turn in range(4):
        for number in range(1, 41):  # 20 MiB
            replace(database, turn * 40 + number, turn * 40 + number - 1)
        while database.add_chunk(UNDER_WAY, place, bytes(PIECE), max_size=MOST):
            place += 1
        sizes.append(size(path))
        database.sweep()
    assert max(sizes) < 1.5 * MOST + (5 << 20)
    database.close()


def test_of_a_small_file_a_part_of_fixed_size_stays(path: Path) -> None:
    database = Database(path)
    for number in range(1, 8):
        replace(database, number, number - 1, pieces=2, max_size=512 << 10)
    assert all(held(database, number) for number in range(1, 8))
    database.close()


def test_of_many_some_go_at_a_time(path: Path) -> None:
    """Nobody waits while all go."""
    database = Database(path)
    for number in range(1, 101):
        for place in range(2):
            database.add_chunk(number, place, bytes(PIECE))
        row = Row(number, b"", 2 * PIECE, kept=False, body=None)
        database.add(b"%d" % number, row, [], [], max_size=0)
    database.clear()
    replace(database, 200, None, pieces=2, max_size=256 << 10)
    assert sum(held(database, number) for number in range(1, 101)) == 100 - 64
    database.close()


def test_what_is_on_its_way_is_bounded_but_for_one_body(path: Path) -> None:
    databases = [Database(path) for _ in range(2)]
    taken = 0
    for number in range(20):  # of 2 MiB each
        for place in range(32):
            ident = UNDER_WAY + number
            taken += databases[number % 2].add_chunk(ident, place, bytes(PIECE), max_size=MOST)
    assert taken == pytest.approx(1.25 * MOST / PIECE, rel=0.1)
    assert size(path) < 1.5 * MOST + (5 << 20)
    assert not databases[1].add_chunk(UNDER_WAY, 32, bytes(PIECE), max_size=MOST)
    assert databases[1].add_chunk(UNDER_WAY, 32, bytes(PIECE), max_size=MOST, is_first=True)
    databases[0].drop_chunks(UNDER_WAY + 1)
    assert databases[1].add_chunk(UNDER_WAY + 1, 0, bytes(PIECE), max_size=MOST)
    for each in databases:
        each.close()


def test_what_was_removed_gives_way_to_what_is_on_its_way(path: Path) -> None:
    database = Database(path)
    replace(database, 1, None, pieces=16)
    replace(database, 2, 1, pieces=16)
    taken = [
        database.add_chunk(UNDER_WAY, place, bytes(PIECE), max_size=MOST) for place in range(150)
    ]
    assert not held(database, 1)
    assert held(database, 2)
    assert taken == sorted(taken, reverse=True)
    assert sum(taken) == pytest.approx(1.25 * MOST / PIECE - 16, rel=0.1)
    database.close()


def test_of_many_that_are_read_the_last_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_entries, "_MOST_READ", 2)

    async def chunk(*_: object) -> bytes:
        return b""

    recent = RecentEntries(chunk)
    for number in (1, 2, 1, 3):
        recent.note_read(number)
    assert list(recent.read_at) == [1, 3]
