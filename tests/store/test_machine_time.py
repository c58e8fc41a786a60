"""Processes that share a file, one of which has seen the time of day ahead."""

import sqlite3
from pathlib import Path

import pytest

from proxy.core.clock import Lasting
from proxy.store import machine_time
from proxy.store.database import Database


class Machine:
    """Whose time of day is set."""

    day, running = 1_700_000_000.0, 100.0

    def process(self) -> Lasting:
        """The time of a process that starts now."""
        return Lasting(lambda: self.day, lambda: self.running)

    def passes(self, seconds: float) -> None:
        self.day += seconds
        self.running += seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the file."""
    return tmp_path / "store.db"


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def ahead(machine: Machine) -> Lasting:
    """A process that has seen the time of day an hour ahead, before it was set right."""
    found = machine.process()
    machine.day += 3600.0
    found.now()
    machine.day -= 3600.0
    found.now()
    return found


def opened(path: Path, lasting: Lasting) -> Database:
    return Database(path, lasting=lasting)


def test_who_starts_later_goes_on_from_there(path: Path, machine: Machine, ahead: Lasting) -> None:
    opened(path, ahead).sweep()
    machine.passes(60.0)
    later = machine.process()
    opened(path, later)
    assert later.now() == ahead.now() == machine.day + 3600.0


def test_who_did_not_look_meanwhile_goes_on_from_there_with_its_next_sweep(
    path: Path, machine: Machine, ahead: Lasting
) -> None:
    other = machine.process()
    database = opened(path, other)
    opened(path, ahead).sweep()
    assert other.now() == machine.day
    database.sweep()
    assert other.now() == ahead.now()


def test_nobody_goes_back_to_who_has_seen_less(
    path: Path, machine: Machine, ahead: Lasting
) -> None:
    database = opened(path, ahead)
    database.sweep()
    opened(path, machine.process()).sweep()
    database.sweep()
    assert ahead.now() == machine.day + 3600.0


def test_after_the_machine_was_started_again_its_own_time_counts(
    path: Path, machine: Machine, ahead: Lasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(path, ahead).sweep()
    monkeypatch.setattr(machine_time, "boot", lambda: b"another one")
    later = machine.process()
    opened(path, later).sweep()
    assert later.now() == machine.day


def test_a_machine_that_does_not_say_when_it_was_started_tells_nobody(
    path: Path, machine: Machine, ahead: Lasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_time, "_BOOT", path / "none")
    assert machine_time.boot() == b""
    opened(path, ahead).sweep()
    later = machine.process()
    opened(path, later)
    assert later.now() == machine.day


def test_without_a_step_nothing_is_written(path: Path, machine: Machine) -> None:
    opened(path, machine.process()).sweep()
    [(rows,)] = sqlite3.connect(path).execute("SELECT count(*) FROM ahead").fetchall()
    assert rows == 0


def test_a_row_that_was_not_written_so_is_damage(
    path: Path, machine: Machine, ahead: Lasting
) -> None:
    opened(path, ahead).sweep()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE ahead SET seconds = CAST(x'000000003939' AS BLOB)")
    with pytest.raises(sqlite3.DatabaseError, match="not what was written"):
        opened(path, machine.process())
