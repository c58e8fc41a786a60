"""What processes that share a file of SQLite tell each other."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import time as now

import pytest

from proxy.core.stored import LEASE
from proxy.store import agreements
from proxy.store.agreements import SCHEMA, Agreements
from proxy.store.database import Database

A, B = b"a", b"b"


class Time:
    """A time of day that a test moves."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def agreed(time: Time) -> Iterator[Agreements]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        for statement in SCHEMA.split(";"):
            database.execute(statement)
        yield Agreements(database, time)


def test_what_was_invalidated_since(agreed: Agreements) -> None:
    start = agreed.now()
    agreed.invalidated(A)
    assert agreed.now() > start
    assert agreed.is_invalid((B, A), start)
    assert not agreed.is_invalid((B,), start)
    assert not agreed.is_invalid((A,), agreed.now())
    agreed.invalidated(A)
    assert agreed.is_invalid((A,), start + 1)


def test_invalidations_are_forgotten_on_the_safe_side(agreed: Agreements, time: Time) -> None:
    start = agreed.now()
    agreed.invalidated(A)
    middle = agreed.now()
    time.now += 3000
    agreed.invalidated(B)
    time.now += 1000
    agreed.sweep()
    assert agreed.is_invalid((b"any",), start)  # it may have been this one
    assert not agreed.is_invalid((b"any",), middle)
    assert agreed.is_invalid((B,), middle)
    agreed.sweep()
    assert agreed.now() == middle + 1
    agreed.invalidated(A)
    assert agreed.is_invalid((A,), middle + 1)


def test_there_are_not_too_many(agreed: Agreements, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreements, "_MOST", 3)
    for number in range(10):
        agreed.invalidated(b"%d" % number)
    agreed.sweep()
    (rows,) = agreed._db.execute("SELECT count(*) FROM changes").fetchone()
    assert rows == 4
    assert agreed.is_invalid((b"x",), 6)
    assert not agreed.is_invalid((b"x",), 7)


def test_a_lease_ends_by_itself_and_can_be_renewed(agreed: Agreements, time: Time) -> None:
    assert agreed.take(A, b"1") == b"1"
    time.now += LEASE - 1
    assert agreed.take(A, b"2") == b"1"
    agreed.renew(A, b"2")
    agreed.renew(A, b"1")
    time.now += LEASE - 1
    assert agreed.holder(A) == b"1"
    time.now += 1
    assert agreed.holder(A) == b""
    assert agreed.take(A, b"2") == b"2"
    agreed.give_back(A, b"1")
    assert agreed.holder(A) == b"2"
    agreed.give_back(A, b"2")
    assert agreed.holder(A) == b""


def test_a_lease_is_not_longer_when_the_time_of_day_is_set_back(
    agreed: Agreements, time: Time
) -> None:
    agreed.take(A, b"1")
    time.now -= 3600
    assert agreed.holder(A) == b""
    assert agreed.take(A, b"2") == b"2"


def test_leases_that_have_ended_are_swept(agreed: Agreements, time: Time) -> None:
    agreed.take(A, b"1")
    time.now += 5
    agreed.take(B, b"2")
    time.now += 6
    agreed.sweep()
    assert agreed._db.execute("SELECT name FROM leases").fetchall() == [(B,)]


def test_a_file_of_a_proxy_that_knew_nothing_of_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Database(path).close()
    old = sqlite3.connect(path)
    old.executescript("DROP TABLE changes; DROP TABLE leases;")
    old.close()
    database = Database(path)
    born = database.agreements.now()
    assert born == pytest.approx(now() * 1e6, rel=1e-4)
    database.delete_all(A)
    assert database.agreements.now() == born + 1
    database.close()


@pytest.mark.parametrize("leases", [1, 300])
def test_what_is_tried_takes_as_much_as_the_end_of_leases(tmp_path: Path, leases: int) -> None:
    """So whoever can write it is right to wait for one."""
    path = tmp_path / "store.db"
    database, other = Database(path), Database(path)

    def written(change: Callable[[], None]) -> int:
        """Bytes of the log after that change alone."""
        other._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with database.transaction():
            change()
        return path.with_name("store.db-wal").stat().st_size

    with database.transaction():
        for number in range(leases):
            database.agreements.take(b"%016d" % number, b"owner..." + b"%08d" % number)
    assert database.agreements.holder(b"%016d" % 0)
    ended = written(lambda: database.agreements.give_all_back(b"owner..."))
    assert not database.agreements.holder(b"%016d" % 0)
    for _ in range(3):
        assert written(lambda: database.agreements.try_to_write(b"other...")) >= ended
    with database.transaction():
        database.agreements.sweep()
    assert not database._db.execute("SELECT * FROM leases").fetchall()
    for each in (database, other):
        each.close()
