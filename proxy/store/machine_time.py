"""How far ahead the time is by which replies in a file grow old: a row for all that share it.

That time is never set back (`core/clock.Lasting`): if the time of day was ahead for a while, a
process that has seen it goes on from there. One that is started later, or did not look meanwhile,
has to do the same, or each of both would take what the other stores for stale, or for the
future's. So the row says by how much that time is ahead of the time of day, until the machine is
started again.

The table was added to files that have the others of the same version; see ``agreements``.
"""

import sqlite3
from pathlib import Path
from typing import Final

from proxy.core.clock import Lasting
from proxy.store.seals import sealed, unsealed

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS ahead (
    boot BLOB PRIMARY KEY, seconds BLOB NOT NULL) WITHOUT ROWID
"""
_NOTED: Final = 2.0
"""Seconds from which on it matters; below it lies what two clocks differ by in any case."""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def boot() -> bytes:
    """Which start of the machine this is; empty where it does not say so."""
    try:
        return _BOOT.read_bytes().strip()
    except OSError:
        return b""


class MachineTime:
    """The row, by one connection."""

    __slots__ = ("_boot", "_db", "_lasting")

    def __init__(self, db: sqlite3.Connection, lasting: Lasting) -> None:
        self._db = db
        self._lasting = lasting
        self._boot = boot()

    def learn(self) -> float:
        """Go on from where others are; how far ahead they are."""
        query = "SELECT seconds FROM ahead WHERE boot = ?"
        row = self._db.execute(query, (self._boot,)).fetchone()
        if row is None or not self._boot:
            return 0.0
        seconds = float(unsealed(row[0]))
        self._lasting.catch_up(seconds)
        return seconds

    def agree(self) -> None:
        """The same, and tell others; within a transaction."""
        known, ahead = self.learn(), self._lasting.ahead()
        if not self._boot or ahead < known + _NOTED:
            return
        self._db.execute("DELETE FROM ahead")
        row = (self._boot, sealed(repr(ahead).encode()))
        self._db.execute("INSERT INTO ahead VALUES (?, ?)", row)
